//! Embeddings of texts: `sst embed`, `sst export`, `sst mine`, `sst eval retrieval` and `sts`, and training on pairs.

use serde_json::{Value, json};

use crate::sandbox::{RECIPE, Sandbox};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Reads the numbers and the shape of an fp32 .npy file.
fn npy(bytes: &[u8]) -> ((usize, usize), Vec<f32>) {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!((10 + length) % 64, 0);
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.contains("'descr': '<f4'") && header.ends_with('\n'), "{header}");
    let shape = header.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
    let (rows, width) = shape.split_once(", ").unwrap();
    let (numbers, rest) = bytes[10 + length..].as_chunks::<4>();
    assert!(rest.is_empty());
    let numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    ((rows.parse().unwrap(), width.parse().unwrap()), numbers)
}

/// Blank lines get a vector too, so that row i belongs to line i of the text.
#[test]
fn a_text_file_has_one_vector_a_line() {
    let sandbox = Sandbox::trained();
    sandbox.write("texts.txt", "sea\n\n  \nlight upon water.\n\n");
    sandbox.write("texts.jsonl", "{\"text\":\"sea\"}\n{\"text\":\"light upon water.\"}\n");
    let embed = |data: &str, out: &str| {
        let args = [
            "embed",
            "--model",
            "runs/r",
            "--data",
            data,
            "--out",
            out,
            "--precision",
            "fp32",
            "--json",
        ];
        let told = sandbox.good(&args).json();
        (told, npy(&std::fs::read(sandbox.path(out)).unwrap()))
    };
    let (told, ((rows, width), lines)) = embed("texts.txt", "lines.npy");
    assert_eq!((rows, &told["texts"]), (5, &5.into()));
    assert_eq!(told["ledger"].get("read.blank_lines"), None);
    let (_, ((records, _), others)) = embed("texts.jsonl", "records.npy");
    assert_eq!(records, 2);
    for (line, record) in [(0, 0), (3, 1)] {
        let pairs = lines[line * width..].iter().zip(&others[record * width..]).take(width);
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5), "line {line}");
    }
}

#[test]
fn vectors_keep_the_order_of_their_texts_in_every_format() {
    let sandbox = Sandbox::trained();
    let long = "the old man went to sea and saw light upon water. ".repeat(3);
    let texts = ["sea", &long, "", "the old man", "light upon water."];
    sandbox.write("texts.jsonl", texts.map(|text| format!("{}\n", json!({"text": text}))).concat());
    let embed = |out: &str, more: &[&str]| {
        let args = ["embed", "--model", "runs/r", "--data", "texts.jsonl", "--out", out, "--json"];
        sandbox.good(&[&args[..], more].concat()).json()
    };
    let fp32 = ["--precision", "fp32"];
    let told = embed("all.npy", &fp32);
    assert_eq!((&told["texts"], &told["width"]), (&5.into(), &16.into()));
    assert_eq!(told["ledger"]["embed.truncated_texts"]["count"], 1);
    let ((rows, width), all) = npy(&std::fs::read(sandbox.path("all.npy")).unwrap());
    assert_eq!((rows, width), (5, 16));
    embed("all.jsonl", &[&fp32[..], &["--batch-tokens", "1"]].concat());
    for (i, line) in lines(&sandbox.read("all.jsonl")).iter().enumerate() {
        assert_eq!((&line["index"], &line["text"]), (&i.into(), &texts[i].into()));
        let numbers = line["embedding"].as_array().unwrap();
        for (found, want) in numbers.iter().zip(&all[i * 16..]) {
            assert!((found.as_f64().unwrap() - f64::from(*want)).abs() < 1e-5, "text {i}");
        }
    }
    embed("all.safetensors", &fp32);
    let bytes = std::fs::read(sandbox.path("all.safetensors")).unwrap();
    let size = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + size]).unwrap();
    assert_eq!(header["embeddings"]["shape"], json!([5, 16]));
    let (numbers, _) = bytes[8 + size..].as_chunks::<4>();
    assert!(numbers.iter().zip(&all).all(|(bytes, want)| f32::from_le_bytes(*bytes) == *want));
    // With --normalize the vectors have length 1; in bf16 they are close to those in fp32.
    embed("unit.npy", &["--normalize", "--precision", "bf16", "--pooling", "cls"]);
    let (_, unit) = npy(&std::fs::read(sandbox.path("unit.npy")).unwrap());
    for vector in unit.chunks_exact(16) {
        assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-3);
    }
    let prompted = embed("prompted.npy", &["--prompt", "sea "]);
    assert!(prompted["tokens"].as_u64().unwrap() > told["tokens"].as_u64().unwrap());
}

#[test]
fn an_exported_folder_gives_the_same_vectors() {
    let sandbox = Sandbox::trained();
    sandbox.write("texts.txt", "sea\nthe old man\n");
    let args = ["--pooling", "max", "--normalize", "--max-length", "8"];
    let embed = |model: &str, out: &str, more: &[&str]| {
        let all = ["embed", "--model", model, "--data", "texts.txt", "--out", out];
        sandbox.good(&[&all[..], more].concat());
        std::fs::read(sandbox.path(out)).unwrap()
    };
    let want = embed("runs/r", "a.npy", &args);
    let export =
        ["export", "--model", "runs/r", "--format", "sentence-transformers", "--out", "st"];
    sandbox.good(&[&export[..], &args].concat());
    assert_eq!(embed("st", "b.npy", &[]), want);
    assert_eq!(sandbox.json("st/sentence_bert_config.json")["max_seq_length"], 8);
    assert_eq!(sandbox.json("st/1_Pooling/config.json")["pooling_mode_max_tokens"], true);
    sandbox.good(&["export", "--model", "st", "--format", "huggingface", "--out", "hf"]);
    assert_eq!(embed("hf", "c.npy", &args), want);

    let refused = |args: &[&str], expected: &str| {
        let ended = sandbox.sst(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{expected}\n{}", ended.stderr);
    };
    refused(&export, "st exists");
    refused(&["export", "--model", "st", "--format", "onnx", "--out", "x"], "--format");
    let args = ["embed", "--model", "st", "--data", "texts.txt", "--out", "x.txt"];
    refused(&args, "name a .npy, .safetensors or .jsonl");
    // A sentence-transformers module that sst does not support is an error.
    let modules = sandbox.read("st/modules.json").replace("Pooling\"", "WordWeights\"");
    sandbox.write("st/modules.json", modules);
    let ended = sandbox.sst(&["embed", "--model", "st", "--data", "texts.txt", "--out", "x.npy"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("module 1 is"), "{}", ended.stderr);
    assert!(!sandbox.path("x.npy").exists());
}

/// Pairs of a text and the same text in capitals. The tokenizer lower-cases, so both have the same tokens.
fn pairs() -> String {
    let places = ["sea", "land", "water", "light", "night", "day", "man", "hill"];
    let texts = places.iter().flat_map(|a| places.map(|b| format!("the old {a} saw the {b}.")));
    let pair = |text: String| json!({"query": text, "answer": text.to_uppercase(), "score": 1.5});
    texts.map(|text| format!("{}\n", pair(text))).collect()
}

#[test]
fn texts_find_their_partners_and_hard_negatives() {
    let sandbox = Sandbox::trained();
    sandbox.write("pairs.jsonl", pairs());
    let data = ["--model", "runs/r", "--data", "pairs.jsonl", "--json"];
    let eval = |evaluator: &str, fields: &str| {
        sandbox.sst(&[&["eval", evaluator, "--fields", fields], &data[..]].concat())
    };
    let report = eval("retrieval", "query,answer").json();
    assert_eq!(report["counts"], json!({"queries": 64, "corpus": 64}));
    // Both texts of a pair have the same vector, so each query finds its document.
    assert_eq!(report["metrics"]["recall@1"], 1.0);
    assert!(report["metrics"]["alignment"].as_f64().unwrap() < 1e-9);
    // The order of fields does not matter, even if one is called `text`.
    sandbox.write(
        "named.jsonl",
        ["sea", "land"]
            .map(|word| format!("{}\n", json!({"query": word, "text": "water"})))
            .concat(),
    );
    for (fields, queries, corpus) in [("query,text", 2, 1), ("text,query", 1, 2)] {
        let args = ["eval", "retrieval", "--model", "runs/r", "--data", "named.jsonl", "--json"];
        let report = sandbox.good(&[&args[..], &["--fields", fields]].concat()).json();
        assert_eq!(report["counts"], json!({"queries": queries, "corpus": corpus}));
    }
    let same = eval("sts", "query,answer,score");
    assert!(same.code == Some(1) && same.stderr.contains("no correlation"), "{}", same.stderr);
    sandbox
        .write("sts.tsv", "a\tb\tscore\nsea\tsea\t5\nsea\tthe old man\t1\nlight\tthe night\t2\n");
    let args = ["eval", "sts", "--model", "runs/r", "--data", "sts.tsv", "--fields", "a,b,score"];
    let found = sandbox.good(&[&args[..], &["--json"]].concat()).json();
    assert_eq!(found["counts"]["pairs"], 3);
    assert!(found["metrics"]["spearman"].as_f64().unwrap() > 0.49);
    let ended = eval("sts", "query,answer,missing");
    assert!(ended.code == Some(1) && ended.stderr.contains("pairs.jsonl:1"), "{}", ended.stderr);
    let refused = |fields: &str, code: i32, expected: &str| {
        let ended = eval("retrieval", fields);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{expected}\n{}", ended.stderr);
    };
    refused("query,query", 2, "names `query` twice");
    let missing = "has no field `missing` (it has `query`, `answer`, `score`): choose another one with --fields";
    refused("missing,query", 1, missing);
    sandbox.write("plain.txt", "a\n");
    let fields = ["--fields", "query,answer", "--data", "plain.txt", "--model", "runs/r"];
    let ended = sandbox.sst(&[&["eval", "retrieval"][..], &fields].concat());
    let expected = "plain.txt: a text file has no fields for --fields to name: give jsonl, csv, tsv or parquet";
    assert!(ended.code == Some(2) && ended.stderr.contains(expected), "{}", ended.stderr);
    let fields = "fields are `query`, `answer`, `score`";
    let number = format!("pairs.jsonl:1: field `score` is a number, not a string (the {fields})");
    refused("query,score", 1, &number);
    refused("query,missing", 1, "has no field `missing` (it has `query`, `answer`, `score`)");
    let ended = eval("retrieval", "query");
    assert!(ended.code == Some(2) && ended.stderr.contains("2 are needed"), "{}", ended.stderr);

    let mine = |more: &[&str]| {
        let args = ["mine", "--fields", "query,answer", "--out", "hard.jsonl"];
        let ended = sandbox.sst(&[&args[..], &data, more].concat());
        (ended.code, ended.stderr.clone(), ended.stdout)
    };
    let (code, stderr, stdout) = mine(&["--num-negatives", "2"]);
    assert_eq!(code, Some(0), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&report["counts"]["lines"], &report["counts"]["short_queries"]),
        (&128.into(), &0.into())
    );
    for line in lines(&sandbox.read("hard.jsonl")) {
        assert_ne!(line["positive"], line["negative"]);
        assert_eq!(line["positive"], line["anchor"].as_str().unwrap().to_uppercase());
        assert!(line["score"].as_f64().unwrap() <= 1.0 + 1e-6);
    }
    let (code, ..) = mine(&["--ntuple", "--num-negatives", "3"]);
    let found = lines(&sandbox.read("hard.jsonl"));
    assert_eq!((code, found.len()), (Some(0), 64));
    assert!(found.iter().all(|line| line["negatives"].as_array().unwrap().len() == 3));
    let (code, stderr, _) = mine(&["--range-min", "5", "--range-max", "5"]);
    assert!(code == Some(2) && stderr.contains("range_min"), "{stderr}");
}

#[test]
fn pairs_and_single_texts_train_contrastively() {
    let sandbox = Sandbox::new();
    let triplets: String = lines(&pairs())
        .iter()
        .map(|line| {
            let line = json!({
                "query": line["query"], "answer": line["answer"], "wrong": "nobody saw anything.",
            });
            format!("{line}\n")
        })
        .collect();
    sandbox.write("pairs.jsonl", triplets);
    let recipe = RECIPE
        .replace("paths = [\"corpus.txt\"]", "paths = [\"pairs.jsonl\"]\ntext_field = \"query\"\npair_fields = [\"answer\", \"wrong\"]")
        .replace("name = \"mlm\"", "name = \"pairs\"\nsymmetric = true\nnegative_weight = 2.0")
        .replace("micro_batch_size = 4\n", "");
    sandbox.write("pairs.toml", &recipe);
    let prepared = sandbox.good(&["data", "prepare", "pairs.toml", "--json"]).json();
    let rows = |key: &str| prepared[key].as_u64().unwrap();
    assert_eq!((rows("documents"), rows("training_rows") + rows("validation_rows")), (192, 64));
    sandbox.good(&["pretrain", "pairs.toml"]);
    let losses = |run: &str, objective: &str| -> Vec<f64> {
        let key = format!("train/{objective}/loss");
        let all = lines(&sandbox.read(&format!("runs/{run}/metrics.jsonl")));
        all.iter().filter_map(|line| line[&key].as_f64().or(line["train/loss"].as_f64())).collect()
    };
    let found = losses("r", "pairs");
    assert!(found.len() == 12 && found[11] < found[0], "{found:?}");

    for objective in ["simcse", "nt_xent", "moco"] {
        let recipe = RECIPE
            .replace("name = \"r\"", &format!("name = \"{objective}\""))
            .replace("name = \"mlm\"", &format!("name = \"{objective}\"\nchunk_rows = 3"))
            .replace("micro_batch_size = 4\n", "");
        sandbox.write("recipe.toml", recipe);
        sandbox.good(&["pretrain", "recipe.toml"]);
        let found = losses(objective, objective);
        assert!(found.len() == 12 && found.iter().all(|loss| loss.is_finite()), "{found:?}");
    }
}

#[test]
fn invalid_recipes_of_pairs_say_why() {
    let sandbox = Sandbox::new();
    let refused = |recipe: &str, expected: &str| {
        sandbox.write("recipe.toml", recipe);
        let ended = sandbox.sst(&["pretrain", "recipe.toml"]);
        assert_ne!(ended.code, Some(0));
        assert!(ended.stderr.contains(expected), "{expected}\n{}", ended.stderr);
    };
    let pairs = RECIPE.replace("name = \"mlm\"", "name = \"pairs\"");
    refused(&pairs, "data.pair_fields: is missing");
    let fields = "validation = 0.1\npair_fields = [\"b\"]";
    refused(&RECIPE.replace("validation = 0.1", fields), "takes single texts");
    refused(
        &pairs.replace("validation = 0.1", &format!("{fields}\nrows = \"stream\"")),
        "must be \"document\" for pairs",
    );
    let jsonl = pairs.replace("corpus.txt", "pairs.jsonl").replace("validation = 0.1", fields);
    sandbox.write("pairs.jsonl", "{\"text\": \"sea\", \"b\": \"land\"}\n{\"text\": \"sea\"}\n");
    refused(&jsonl, "pairs.jsonl:2 has no text in field `b`");
    let mlm = RECIPE.replace("name = \"mlm\"", "name = \"simcse\"");
    refused(&mlm, "micro_batch_size");
    // Keys that the folder's config.json has can be overridden.
    let trained = Sandbox::trained();
    let model = RECIPE.find("[model]").unwrap();
    let objective = RECIPE.find("[objective]").unwrap();
    let base =
        RECIPE[..RECIPE.find("[tokenizer.train]").unwrap()].replace("name = \"r\"", "name = \"s\"");
    let folder = "runs/r/checkpoints/latest/model";
    let with = |config: &str| {
        format!(
            "{base}[tokenizer]\npath = \"{folder}\"\n[model]\npath = \"{folder}\"\nconfig = {config}\n{}",
            &RECIPE[objective..]
        )
    };
    assert!(model < objective);
    trained.write("more.toml", with("{ hidden_dropout_prob = 0.3 }"));
    trained.good(&["pretrain", "more.toml"]);
    let saved = trained.json("runs/s/checkpoints/latest/model/config.json");
    assert_eq!(saved["hidden_dropout_prob"], 0.3);
    trained.write("more.toml", with("{ hidden_dropout = 0.3 }"));
    let ended = trained.sst(&["pretrain", "more.toml", "--set", "run.name=t"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("hidden_dropout"), "{}", ended.stderr);
}

#[test]
fn a_length_above_the_models_limit_gives_a_warning() {
    let sandbox = Sandbox::trained();
    let embed = |length: &str| {
        let args = ["embed", "--model", "runs/r", "--data", "corpus.txt", "--out", "v.npy"];
        sandbox.good(&[&args[..], &["--max-length", length]].concat()).stderr
    };
    let told = embed("100");
    let expected =
        "`max_length` is 100, and the model reads 16 tokens at most: longer texts are cut";
    assert!(told.contains(expected), "{told}");
    assert!(!embed("16").contains("at most"));
}
