//! Model folders written by other tools, in every command that reads a model.

use std::path::Path;

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// Copies a folder of `tests/goldens` into the sandbox.
fn copy(sandbox: &Sandbox, golden: &str, name: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens").join(golden);
    std::fs::create_dir_all(sandbox.path(name)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "case.safetensors" {
            std::fs::copy(entry.path(), sandbox.path(name).join(entry.file_name())).unwrap();
        }
    }
}

const BESIDE: [&str; 4] = [
    "bert.pooler.dense.bias",
    "bert.pooler.dense.weight",
    "cls.seq_relationship.bias",
    "cls.seq_relationship.weight",
];

/// A sandbox with `hub`, a folder in the layout of bert-base-uncased on the hub.
fn hub() -> Sandbox {
    let sandbox = Sandbox::new();
    copy(&sandbox, "bert/hub", "hub");
    sandbox
}

fn unused(told: &Value) -> &Value {
    &told["ledger"]["unused.tensors"]["items"]
}

#[test]
fn a_folder_in_the_layout_of_the_hub_works_in_every_command() {
    let sandbox = hub();
    sandbox.write("texts.txt", "the old man\nwent to sea.\n");
    let text = ["--text", "the old [MASK] went to sea.", "--top-k", "1", "--json"];
    let filled = sandbox.good(&[&["fill-mask", "--model", "hub"], &text[..]].concat()).json();
    assert_eq!(unused(&filled), &json!(BESIDE));
    let best = &filled["masks"][0]["predictions"][0];

    for evaluator in ["mask-accuracy", "pseudo-perplexity"] {
        let args = ["eval", evaluator, "--model", "hub", "--data", "texts.txt", "--json"];
        let report = sandbox.good(&args).json();
        assert_eq!(unused(&report), &json!(BESIDE), "{evaluator}");
    }
    let embed = |model: &str| {
        let args = ["embed", "--model", model, "--data", "texts.txt", "--out", "v.npy", "--json"];
        let told = sandbox.good(&args).json();
        (told, std::fs::read(sandbox.path("v.npy")).unwrap())
    };
    let (told, vectors) = embed("hub");
    assert_eq!(unused(&told), &json!(BESIDE));

    for (format, out) in [("huggingface", "hf"), ("sentence-transformers", "st")] {
        let args = ["export", "--model", "hub", "--format", format, "--out", out, "--json"];
        assert_eq!(unused(&sandbox.good(&args).json()), &json!(BESIDE), "{format}");
        let (told, again) = embed(out);
        assert!(again == vectors && told["ledger"] == json!({}), "{format}: {}", told["ledger"]);
    }
    let again = sandbox.good(&[&["fill-mask", "--model", "hf"], &text[..]].concat()).json();
    assert_eq!((&again["masks"][0]["predictions"][0], &again["ledger"]), (best, &json!({})));

    // Training continues from it, and the folder that it exports has no unknown files or keys.
    let recipe = |name: &str, objective: &str| {
        let text = format!(
            "[run]\nname = \"{name}\"\ndevice = \"cpu\"\nthreads = 1\n[data]\npaths = [\"corpus.txt\"]\n\
             max_length = 16\n[tokenizer]\npath = \"hub\"\n[model]\npath = \"hub\"\n[objective]\nname = \
             \"{objective}\"\n[train]\nsteps = \"2step\"\nbatch_size = 4\nprecision = \"fp32\"\n[train.optimizer]\nlr = \
             1e-3\n"
        );
        sandbox.write("go.toml", text);
        sandbox.good(&["pretrain", "go.toml"])
    };
    for objective in ["mlm", "simcse"] {
        let ended = recipe(objective, objective);
        assert!(ended.stderr.contains("unused.tensors"), "{}", ended.stderr);
        let ledger = sandbox.json(&format!("runs/{objective}/ledger.json"));
        assert_eq!(ledger["unused.tensors"]["items"], json!(BESIDE), "{objective}");
        let model = format!("runs/{objective}/checkpoints/latest/model");
        let after = sandbox.good(&[&["fill-mask", "--model", &model], &text[..]].concat()).json();
        assert_eq!(after["ledger"], json!({}), "{objective}");
    }
}

/// Removes the tensors of the head from `hub/model.safetensors` by editing the header.
fn rename_head(sandbox: &Sandbox) {
    let path = sandbox.path("hub/model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
    let header = header.replace("cls.predictions.", "own.predictions.");
    let mut changed = (header.len() as u64).to_le_bytes().to_vec();
    changed.extend(header.as_bytes());
    changed.extend(&bytes[8 + length..]);
    std::fs::write(path, changed).unwrap();
}

#[test]
fn a_new_head_is_initialized_only_for_training() {
    let sandbox = hub();
    rename_head(&sandbox);
    let ended = sandbox.sst(&["fill-mask", "--model", "hub", "--text", "[MASK]"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("no head for masked tokens"), "{}", ended.stderr);
    let args = ["embed", "--model", "hub", "--data", "corpus.txt", "--out", "v.npy", "--json"];
    let told = sandbox.good(&args).json();
    assert_eq!(told["ledger"]["weights.absent"]["count"], 5);
    sandbox.write(
        "go.toml",
        "[run]\nname = \"go\"\ndevice = \"cpu\"\nthreads = 1\n[data]\npaths = [\"corpus.txt\"]\nmax_length = 16\n\
         [tokenizer]\npath = \"hub\"\n[model]\npath = \"hub\"\n[objective]\nname = \"mlm\"\n[train]\nsteps = \
         \"2step\"\nbatch_size = 4\nprecision = \"fp32\"\n",
    );
    let ended = sandbox.good(&["pretrain", "go.toml"]);
    assert!(ended.stderr.contains("weights.new"), "{}", ended.stderr);
    let new = &sandbox.json("runs/go/ledger.json")["weights.new"];
    assert_eq!((&new["count"], &new["items"][0]), (&5.into(), &"cls.predictions.bias".into()));
}

#[test]
fn the_other_files_of_a_model_are_copied_with_it() {
    let sandbox = hub();
    let generation = "{\"eos_token_id\": [1, 3]}";
    sandbox.write("hub/generation_config.json", generation);
    sandbox.write("hub/chat_template.jinja", "{{ messages }}");
    sandbox.write("hub/tokenizer_config.json", "{\"model_max_length\": 7}");
    sandbox.write("hub/custom.py", "");
    let args = ["export", "--model", "hub", "--format", "huggingface", "--out", "hf", "--json"];
    let told = sandbox.good(&args).json();
    assert_eq!(told["ledger"]["unused.files"]["items"], json!(["custom.py"]));
    sandbox.write(
        "go.toml",
        "[run]\nname = \"go\"\ndevice = \"cpu\"\nthreads = 1\n[data]\npaths = [\"corpus.txt\"]\nmax_length = 16\n\
         [tokenizer]\npath = \"hub\"\n[model]\npath = \"hub\"\n[objective]\nname = \"mlm\"\n[train]\nsteps = \
         \"2step\"\nbatch_size = 4\nprecision = \"fp32\"\n",
    );
    sandbox.good(&["pretrain", "go.toml"]);
    for folder in ["hf", "runs/go/checkpoints/latest/model"] {
        assert_eq!(sandbox.read(&format!("{folder}/generation_config.json")), generation);
        assert_eq!(sandbox.read(&format!("{folder}/chat_template.jinja")), "{{ messages }}");
        let limit = &sandbox.json(&format!("{folder}/tokenizer_config.json"))["model_max_length"];
        assert_eq!(limit, 7, "{folder}");
    }
    // For embeddings, the tokenizer's limit holds if nothing else is set.
    sandbox.write("texts.txt", "the old man went to sea. the old man went to sea.\n");
    let args = ["embed", "--model", "hub", "--data", "texts.txt", "--out", "v.npy", "--json"];
    assert_eq!(sandbox.good(&args).json()["tokens"], 7);
    sandbox.write("hub/tokenizer_config.json", "{\"model_max_length\": 1e30}");
    assert_eq!(sandbox.good(&args).json()["tokens"], 16);
}

#[test]
fn prompts_of_a_folder_are_used_in_search_and_survive_an_export() {
    let sandbox = hub();
    let export = ["export", "--format", "sentence-transformers"];
    sandbox.good(&[&export[..], &["--model", "hub", "--out", "st"]].concat());
    let prompts = json!({
        "prompts": {"query": "light and ", "document": "the sea of ", "other": "a "},
        "default_prompt_name": "other", "similarity_fn_name": "dot",
    });
    sandbox.write("st/config_sentence_transformers.json", prompts.to_string());
    sandbox.good(&[&export[..], &["--model", "st", "--out", "again"]].concat());
    assert_eq!(sandbox.json("again/config_sentence_transformers.json"), prompts);
    let pairs = [("the old man", "went to sea"), ("water of night", "the hill"), ("day", "land")];
    let pairs = pairs.map(|(q, a)| format!("{}\n", json!({"q": q, "a": a, "score": q.len()})));
    sandbox.write("pairs.jsonl", pairs.concat());
    let eval = |evaluator: &str, fields: &str, more: &[&str]| {
        let args = ["eval", evaluator, "--model", "again", "--data", "pairs.jsonl", "--json"];
        sandbox.good(&[&args[..], &["--fields", fields], more].concat()).json()
    };
    let of = |told: &Value| [told["query_prompt"].clone(), told["document_prompt"].clone()];
    let told = eval("retrieval", "q,a", &[]);
    assert_eq!(of(&told), [json!("light and "), json!("the sea of ")]);
    let listed = told["ledger"]["unused.config_keys"]["items"].to_string();
    assert!(listed.contains("similarity_fn_name (dot)"), "{listed}");
    let other = eval("retrieval", "q,a", &["--query-prompt", "", "--document-prompt", "x"]);
    assert_eq!(of(&other), [json!(""), json!("x")]);
    assert_ne!(other["metrics"]["alignment"], told["metrics"]["alignment"]);
    // STS uses the default prompt for both texts.
    assert_eq!(of(&eval("sts", "q,a,score", &[])), [json!("a "), json!("a ")]);
    let args = [
        "mine",
        "--model",
        "again",
        "--data",
        "pairs.jsonl",
        "--fields",
        "q,a",
        "--out",
        "m.jsonl",
    ];
    let told = sandbox.good(&[&args[..], &["--json"]].concat()).json();
    assert_eq!(of(&told), [json!("light and "), json!("the sea of ")]);
    let shown = sandbox.good(&args).stdout;
    assert!(shown.contains("query_prompt: \"light and \""), "{shown}");
}

#[test]
fn nan_weights_are_an_error_of_every_command() {
    let sandbox = hub();
    let path = sandbox.path("hub/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    // The last tensor of the file is used by a base model, but not by a masked language model.
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for place in (8 + length..end).step_by(4) {
        bytes[place..place + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    }
    std::fs::write(path, bytes).unwrap();
    sandbox.write("pairs.jsonl", "{\"q\": \"a\", \"a\": \"b\"}\n");
    for args in [
        &["fill-mask", "--model", "hub", "--text", "[MASK]"][..],
        &["eval", "mask-accuracy", "--model", "hub", "--data", "corpus.txt"],
        &["eval", "pseudo-perplexity", "--model", "hub", "--data", "corpus.txt"],
        &["eval", "retrieval", "--model", "hub", "--data", "pairs.jsonl", "--fields", "q,a"],
        &["embed", "--model", "hub", "--data", "corpus.txt", "--out", "v.npy"],
        &["mine", "--model", "hub", "--data", "pairs.jsonl", "--fields", "q,a", "--out", "m.jsonl"],
        &["export", "--model", "hub", "--format", "huggingface", "--out", "x"],
    ] {
        let ended = sandbox.sst(args);
        assert_eq!(ended.code, Some(1), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("holds NaN, infinity"), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn control_characters_of_names_never_reach_the_terminal() {
    let sandbox = hub();
    let path = sandbox.path("hub/model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let end = bytes.len() - 8 - length;
    header["\u{1b}]0;owned\u{7}\u{9b}31m"] =
        json!({"dtype": "F32", "shape": [0], "data_offsets": [end, end]});
    let header = header.to_string();
    let mut changed = (header.len() as u64).to_le_bytes().to_vec();
    changed.extend(header.as_bytes());
    changed.extend(&bytes[8 + length..]);
    std::fs::write(path, changed).unwrap();
    let args = ["fill-mask", "--model", "hub", "--text", "[MASK]", "--json"];
    let ended = sandbox.good(&args);
    let is_control = |c: char| c.is_control() && c != '\n';
    assert!(!ended.stderr.chars().any(is_control), "{:?}", ended.stderr);
    assert!(!ended.stdout.chars().any(is_control), "{:?}", ended.stdout);
    assert!(ended.stderr.contains("\\u{1b}]0;owned\\u{7}\\u{9b}31m"), "{}", ended.stderr);
    assert!(ended.json()["ledger"]["unused.tensors"]["items"].to_string().contains("owned"));
    let ended = sandbox.sst(&["fill-mask", "--model", "no\u{1b}[31m", "--text", "[MASK]"]);
    assert!(!ended.stderr.chars().any(is_control), "{:?}", ended.stderr);
}

#[test]
fn a_text_with_a_token_that_the_model_lacks_is_named() {
    let sandbox = hub();
    let mut tokenizer = sandbox.json("hub/tokenizer.json");
    tokenizer["added_tokens"].as_array_mut().unwrap().push(json!({
        "id": 74, "content": "newword", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": false,
    }));
    sandbox.write("hub/tokenizer.json", tokenizer.to_string());
    sandbox.good(&["fill-mask", "--model", "hub", "--text", "the [MASK]"]);
    sandbox.write("texts.txt", "the old newword\n");
    for args in [
        &["fill-mask", "--model", "hub", "--text", "[MASK] newword"][..],
        &["eval", "pseudo-perplexity", "--model", "hub", "--data", "texts.txt"],
        &["embed", "--model", "hub", "--data", "texts.txt", "--out", "v.npy"],
    ] {
        let ended = sandbox.sst(args);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("\"newword\"") && ended.stderr.contains("holds the token"),
            "{}",
            ended.stderr
        );
    }
}
