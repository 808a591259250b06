//! Causal language models: training one, `sst generate`, `sst eval perplexity`, `sst convert`.

use serde_json::Value;

use crate::sandbox::{RECIPE, Sandbox};

/// A folder in which a small GPT-2 was trained.
fn trained() -> Sandbox {
    let sandbox = Sandbox::new();
    let model = RECIPE.find("[model]").unwrap();
    let train = RECIPE.find("[train]").unwrap();
    let data = RECIPE[..model].replace("max_length = 16", "max_length = 32\nrows = \"stream\"");
    let data = data.replace(
        "vocab_size = 120",
        "vocab_size = 300\nalgorithm = \"bpe\"\nspecial = { eos = \"<|endoftext|>\" }",
    );
    let own = "[model]\ntype = \"gpt2\"\nn_embd = 16\nn_layer = 2\nn_head = 2\nn_positions = 64\n\n\
               [objective]\nname = \"clm\"\n\n";
    sandbox.write("recipe.toml", format!("{data}{own}{}", &RECIPE[train..]));
    sandbox.good(&["pretrain", "recipe.toml"]);
    sandbox
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn generate(sandbox: &Sandbox, args: &[&str]) -> Vec<Value> {
    let all = [&["generate", "--model", "runs/r", "--json"], args].concat();
    lines(&sandbox.good(&all).stdout)
}

#[test]
fn a_run_of_causal_language_modelling_learns_and_is_evaluated() {
    let sandbox = trained();
    let losses: Vec<f64> = lines(&sandbox.read("runs/r/metrics.jsonl"))
        .iter()
        .filter_map(|line| line["eval/clm/loss"].as_f64())
        .collect();
    assert!(losses.len() == 2 && losses[1] < losses[0], "{losses:?}");
    let config = sandbox.json("runs/r/checkpoints/latest/model/config.json");
    let tokenizer = sandbox.json("runs/r/checkpoints/latest/model/tokenizer_config.json");
    assert_eq!(tokenizer["eos_token"], "<|endoftext|>");
    assert_eq!(
        (&config["eos_token_id"], &config["architectures"][0]),
        (&0.into(), &"GPT2LMHeadModel".into())
    );
}

#[test]
fn generation_does_not_depend_on_the_batch_or_the_cache() {
    let sandbox = trained();
    sandbox.write("prompts.txt", "the old man\nsea\n");
    let together = generate(&sandbox, &["--prompts-file", "prompts.txt", "--max-new-tokens", "20"]);
    assert_eq!(together.len(), 2);
    for line in &together {
        assert!(line["ids"].as_array().unwrap().len() <= 20 && line["log_probability"].is_f64());
        let prompt = line["prompt"].as_str().unwrap();
        let args = ["--prompt", prompt, "--max-new-tokens", "20", "--greedy"];
        for more in [&[][..], &["--no-cache"]] {
            let alone = generate(&sandbox, &[&args[..], more].concat());
            assert_eq!(alone[0]["ids"], line["ids"], "{prompt} {more:?}");
        }
    }
    // The text that is printed during generation is the same.
    let args = ["generate", "--model", "runs/r", "--prompt", "sea", "--max-new-tokens", "20"];
    let shown = sandbox.good(&args).stdout;
    assert_eq!(shown, format!("sea{}\n", together[1]["text"].as_str().unwrap()));
    // The speed is printed in addition.
    let timed = generate(&sandbox, &["--prompt", "sea", "--max-new-tokens", "20", "--timing"]);
    let (count, timing) = (together[1]["ids"].as_array().unwrap().len(), &timed[1]["timing"]);
    assert_eq!((&timed[0]["ids"], &timing["tokens"]), (&together[1]["ids"], &count.into()));
    let seconds = |key: &str| timing[key].as_f64().unwrap();
    assert!(0.0 < seconds("first_token_s") && seconds("first_token_s") <= seconds("seconds"));
    assert!(count < 2 || seconds("tokens_per_second") > 0.0);
    let told = sandbox.good(&[&args[..], &["--timing"]].concat());
    assert!(told.stdout == shown && told.stderr.contains(&format!("{count} tokens in")));
    let beams = generate(&sandbox, &["--prompt", "sea", "--beams", "3", "--num-samples", "2"]);
    assert_eq!(beams.len(), 2);
    assert_ne!(beams[0]["ids"], beams[1]["ids"]);
}

#[test]
fn samples_are_reproducible_and_end_at_stop_strings() {
    let sandbox = trained();
    let args =
        ["--prompt", "the", "--temperature", "1.5", "--num-samples", "3", "--max-new-tokens", "12"];
    let seeded = |seed: &str| generate(&sandbox, &[&args[..], &["--seed", seed]].concat());
    assert_eq!(seeded("5"), seeded("5"));
    assert_ne!(seeded("5"), seeded("6"));
    let texts = |lines: &[Value]| -> Vec<String> {
        lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    let plain = seeded("5");
    let stop = texts(&plain)[0].chars().skip(2).take(2).collect::<String>();
    let stopped = generate(&sandbox, &[&args[..], &["--seed", "5", "--stop", &stop]].concat());
    assert_eq!(stopped[0]["finish"], "stop");
    assert!(texts(&plain)[0].starts_with(&texts(&stopped)[0]));
    assert!(!texts(&stopped)[0].contains(&stop));
}

#[test]
fn invalid_options_and_models_say_why() {
    let sandbox = trained();
    let check = |args: &[&str], code: i32, expected: &str| {
        let ended = sandbox.sst(&[&["generate", "--model", "runs/r"], args].concat());
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{expected}\n{}", ended.stderr);
    };
    check(&[], 2, "--prompt");
    check(&["--prompt", "a", "--temperature", "0"], 2, "--temperature must be above 0");
    check(
        &["--prompt", "a", "--num-samples", "2"],
        2,
        "would be equal without sampling: add --temperature",
    );
    check(&["--prompt", "a", "--top-p", "1.5"], 2, "from 0 to 1");
    // Limits are checked before a model is looked for.
    check(&["--prompt", "a", "--beams", "1000000000"], 2, "--beams");
    check(&["--prompt", "a", "--max-new-tokens", "99999999999999999999"], 2, "--max-new-tokens");
    check(&["--prompt", "a", "--max-new-tokens", "18446744073709551615"], 2, "--max-new-tokens");
    check(&["--prompt", "a", "--num-samples", "4000000000"], 2, "--num-samples");
    check(&["--prompt", "a", "--threads", "1000000"], 2, "1000000 is not in 0..=1024");
    check(
        &["--prompt", "a", "--beams", "2", "--num-samples", "3"],
        2,
        "--num-samples is 3, but there are only 2 --beams",
    );
    check(&["--prompts-file", "nowhere"], 2, "cannot read --prompts-file nowhere");
    check(&["--prompt", &"sea ".repeat(80)], 2, "the model reads at most 64");
    let other = Sandbox::trained();
    let refused = |sandbox: &Sandbox, args: &[&str], model: &str, instead: &str| {
        let ended = sandbox.sst(&[args, &["--model", "runs/r"]].concat());
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{}", ended.stderr);
        let told = ended.stderr.contains(model) && ended.stderr.contains(instead);
        assert!(told, "{model} {instead}: {}", ended.stderr);
    };
    let bert = "a `bert` model is not causal";
    refused(&other, &["generate", "--prompt", "a"], bert, "use `sst fill-mask`");
    let perplexity = ["eval", "perplexity", "--data", "corpus.txt"];
    refused(&other, &perplexity, bert, "use `sst eval pseudo-perplexity`");
    let gpt2 = "a `gpt2` model is causal";
    refused(&sandbox, &["fill-mask", "--text", "a [MASK]"], gpt2, "use `sst generate`");
    for evaluator in ["mask-accuracy", "pseudo-perplexity"] {
        refused(&sandbox, &["eval", evaluator], gpt2, "use `sst eval perplexity`");
    }
}

#[test]
fn perplexity_counts_every_document() {
    let sandbox = trained();
    let long = "the old man went to sea and saw light upon water. ".repeat(8);
    let documents = ["the old man", "x", "", &long].map(|text| serde_json::json!({"text": text}));
    sandbox.write("held.jsonl", documents.map(|line| format!("{line}\n")).concat());
    let measure = |more: &[&str]| {
        let args = ["eval", "perplexity", "--model", "runs/r", "--data", "held.jsonl", "--json"];
        let ended = sandbox.good(&[&args[..], more].concat());
        (ended.json(), ended.stderr.clone())
    };
    let (apart, stderr) = measure(&["--stride", "8", "--max-length", "32", "--windows", "full"]);
    let count = |report: &Value, name: &str| report["counts"][name].as_u64().unwrap();
    assert_eq!(count(&apart, "documents"), 4);
    assert_eq!(count(&apart, "unscored_tokens"), 3);
    assert_eq!(count(&apart, "tokens"), count(&apart, "scored_tokens") + 3);
    assert_eq!(count(&apart, "bytes"), 12 + long.len() as u64);
    assert!(stderr.contains("perplexity.empty_documents"), "{stderr}");
    assert_eq!(apart["settings"]["windows"], "full");
    assert_eq!(apart["metrics"]["perplexity"], apart["metrics"]["token_perplexity"]);
    // Strided windows are the default, and the output names them.
    let (strided, _) = measure(&["--stride", "8", "--max-length", "32"]);
    assert_eq!(strided["settings"]["windows"], "strided");
    assert_ne!(strided["metrics"]["perplexity"], apart["metrics"]["perplexity"]);
    let (started, _) = measure(&["--start", "--windows", "full"]);
    assert_eq!(count(&started, "scored_tokens"), count(&apart, "tokens"));
    let (joined, _) = measure(&["--stream", "--windows", "full"]);
    // Each of the three documents adds an end-of-text token, and the first token has no context.
    assert_eq!(count(&joined, "tokens"), count(&apart, "tokens") + 3);
    assert_eq!(count(&joined, "unscored_tokens"), 1);
    let per_token = joined["metrics"]["loss"].as_f64().unwrap();
    let bits = joined["metrics"]["bits_per_byte"].as_f64().unwrap();
    let want = per_token * count(&joined, "scored_tokens") as f64
        / count(&joined, "bytes") as f64
        / 2f64.ln();
    assert!((bits - want).abs() < 1e-9 * want);
    let told = sandbox.good(&["eval", "perplexity", "--model", "runs/r", "--data", "held.jsonl"]);
    assert!(told.stdout.contains("windows") && told.stdout.contains("strided"), "{}", told.stdout);
    // Blank lines are not documents; they are counted.
    sandbox.write("held.txt", format!("the old man\n\nx\n \n{long}\n"));
    let ended =
        sandbox.good(&["eval", "perplexity", "--model", "runs/r", "--data", "held.txt", "--json"]);
    assert_eq!(ended.json()["counts"]["documents"], 3);
    let told = ended.stderr.lines().find(|line| line.contains("read.blank_lines")).unwrap();
    assert!(told.contains('2') && told.contains("held.txt:2"), "{told}");
    let args = ["eval", "perplexity", "--model", "runs/r", "--data", "held.jsonl", "--stride", "0"];
    let ended = sandbox.sst(&args);
    assert!(ended.code == Some(2) && ended.stderr.contains("stride"), "{}", ended.stderr);
    let ended = sandbox.sst(&[&args[..6], &["--windows", "round"]].concat());
    assert!(ended.code == Some(2) && ended.stderr.contains("strided or full"), "{}", ended.stderr);
}

/// eos_token_id of generation_config.json takes precedence over config.json, and unused keys are reported.
#[test]
fn generation_config_says_what_ends_a_text() {
    let sandbox = trained();
    sandbox.good(&["export", "--model", "runs/r", "--format", "huggingface", "--out", "m"]);
    let file = "m/generation_config.json";
    let _ = std::fs::remove_file(sandbox.path(file));
    let go_on = || {
        // A high temperature is used, because greedy decoding of so small a model repeats one token.
        let args = ["generate", "--model", "m", "--prompt", "the old", "--temperature", "2"];
        let ended = sandbox.good(&[&args[..], &["--max-new-tokens", "12", "--json"]].concat());
        (lines(&ended.stdout).remove(0), ended.stderr)
    };
    let (free, stderr) = go_on();
    assert!(!stderr.contains("ledger") && free.get("ledger").is_none(), "{stderr}");
    let ids = free["ids"].as_array().unwrap();
    let at = (2..ids.len()).find(|at| !ids[..*at].contains(&ids[*at])).unwrap();
    for ends in [serde_json::json!([ids[at], 299]), ids[at].clone()] {
        let config =
            serde_json::json!({"eos_token_id": ends, "temperature": 0.5, "do_sample": true});
        sandbox.write(file, config.to_string());
        let (line, stderr) = go_on();
        assert_eq!(
            (line["finish"].as_str(), line["ids"].as_array().unwrap()),
            (Some("end"), &ids[..at].to_vec())
        );
        let unused = &line["ledger"]["unused.config_keys"]["items"];
        let want = ["generation_config.json: do_sample", "generation_config.json: temperature"];
        assert_eq!(unused, &serde_json::json!(want));
        assert!(stderr.contains(want[0]) && stderr.contains(want[1]), "{stderr}");
    }
    // As in transformers 5.23: if generation_config.json exists without eos_token_id, a text ends only by its length,
    // whatever config.json says.
    let mut config = sandbox.json("m/config.json");
    config["eos_token_id"] = ids[at].clone();
    sandbox.write("m/config.json", config.to_string());
    sandbox.write(file, "{}");
    let (line, stderr) = go_on();
    assert_eq!((&line["finish"], &line["ids"]), (&"length".into(), &free["ids"]));
    assert!(stderr.contains("names no eos_token_id"), "{stderr}");
    std::fs::remove_file(sandbox.path(file)).unwrap();
    assert_eq!(go_on().0["finish"], "end");
    // The file lies with the encoder, which may be in a subfolder of a sentence-transformers folder.
    let in_folder_below = "[{\"idx\":0,\"name\":\"0\",\"path\":\"0_Transformer\",\"type\":\"sentence_transformers.models.Transformer\"}]";
    sandbox.write(file, serde_json::json!({"eos_token_id": ids[at]}).to_string());
    std::fs::create_dir(sandbox.path("sentence")).unwrap();
    std::fs::rename(sandbox.path("m"), sandbox.path("sentence/0_Transformer")).unwrap();
    sandbox.write("sentence/modules.json", in_folder_below);
    std::fs::rename(sandbox.path("sentence"), sandbox.path("m")).unwrap();
    let (line, _) = go_on();
    assert_eq!(line["ids"].as_array().unwrap(), &ids[..at].to_vec());
    // A recipe can continue from such a folder; settings that are lost are reported.
    let recipe = sandbox.read("recipe.toml");
    let begin = recipe.find("[model]").unwrap();
    let end = recipe.find("[objective]").unwrap();
    let data = recipe[..begin].split("[tokenizer.train]").next().unwrap();
    let recipe =
        format!("{data}[tokenizer]\npath = \"m\"\n\n[model]\npath = \"m\"\n\n{}", &recipe[end..]);
    sandbox.write("more.toml", recipe.replace("name = \"r\"", "name = \"more\""));
    let told = sandbox.good(&["pretrain", "more.toml"]).stderr;
    assert!(told.contains("modules.json"), "{told}");
    assert!(sandbox.path("runs/more/checkpoints/latest/model/config.json").is_file());
    sandbox.write("m/0_Transformer/generation_config.json", r#"{"eos_token_id": "x"}"#);
    let ended = sandbox.sst(&["generate", "--model", "m", "--prompt", "a"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("eos_token_id"), "{}", ended.stderr);
}

/// NaN weights are an error that names the model, and nothing is printed before it.
#[test]
fn a_model_with_nan_weights_generates_nothing() {
    let sandbox = trained();
    sandbox.good(&["export", "--model", "runs/r", "--format", "huggingface", "--out", "broken"]);
    let path = sandbox.path("broken/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    sandbox.write("t.txt", "the old man\n");
    for args in [
        &["generate", "--prompt", "the old"][..],
        &["generate", "--prompt", "the old", "--temperature", "1", "--json"],
        &["generate", "--prompt", "the old", "--beams", "2"],
        &["eval", "perplexity", "--data", "t.txt", "--json"],
    ] {
        let ended = sandbox.sst(&[args, &["--model", "broken"]].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{args:?}");
        assert!(ended.stderr.contains("broken"), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn an_invalid_gguf_file_is_refused_and_a_folder_is_never_overwritten() {
    let sandbox = Sandbox::new();
    let ended = sandbox.sst(&["convert", "corpus.txt", "--out", "m"]);
    assert!(
        ended.code == Some(1) && ended.stderr.contains("is not a GGUF file"),
        "{}",
        ended.stderr
    );
    assert!(!sandbox.path("m").exists());
    std::fs::create_dir(sandbox.path("m")).unwrap();
    let ended = sandbox.sst(&["convert", "corpus.txt", "--out", "m"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("m exists"), "{}", ended.stderr);
}

#[test]
fn a_text_that_reaches_the_context_length_says_so() {
    let sandbox = trained();
    // 300 new tokens are asked for, but the model reads only 64.
    let args = ["--prompt", "the old man", "--temperature", "5", "--top-k", "0", "--seed"];
    let limits = |seed: &str, new: &str| {
        let line = &generate(&sandbox, &[&args[..], &[seed, "--max-new-tokens", new]].concat())[0];
        (line["finish"].as_str().unwrap().to_owned(), line["length_limit"].clone())
    };
    // A sample that ends with the end-of-text token reports no limit.
    let found: Vec<_> = ["1", "2", "3", "4"].map(|seed| limits(seed, "200")).into();
    assert!(found.contains(&("length".to_owned(), "model".into())), "{found:?}");
    let expected = |(finish, limit): &(String, Value)| match finish.as_str() {
        "length" => limit == "model",
        _ => limit.is_null(),
    };
    assert!(found.iter().all(expected), "{found:?}");
    assert_eq!(limits("1", "1"), ("length".to_owned(), "max_new_tokens".into()));
    let seed = (1..).zip(&found).find(|(_, (finish, _))| finish == "length").unwrap().0.to_string();
    let text = [&["generate", "--model", "runs/r", "--max-new-tokens", "200"], &args[..], &[&seed]];
    let told = "because the model reads at most 64 tokens, prompt included";
    let ended = sandbox.good(&text.concat());
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let ended = sandbox.sst(&["generate", "--model", "runs/r", "--prompt", "a", "--stop", ""]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("--stop is empty"), "{}", ended.stderr);
}
