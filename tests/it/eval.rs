//! `sst eval`.

use crate::sandbox::Sandbox;

#[test]
fn a_run_is_measured_on_its_own_validation_part() {
    let sandbox = Sandbox::trained();
    let report = sandbox.good(&["eval", "mask-accuracy", "--model", "runs/r", "--json"]).json();
    assert_eq!((&report["version"], &report["name"]), (&1.into(), &"mask-accuracy".into()));
    let metrics = sandbox.read("runs/r/metrics.jsonl");
    let last = metrics.lines().rev().find(|line| line.contains("eval/mask-accuracy/loss")).unwrap();
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    for name in ["loss", "mask_accuracy", "commonest_token_accuracy"] {
        let trained = last[format!("eval/mask-accuracy/{name}")].as_f64().unwrap();
        let measured = report["metrics"][name].as_f64().unwrap();
        assert!((trained - measured).abs() < 1e-6, "{name}: {trained} {measured}");
    }
    assert!(report["counts"]["masked_tokens"].as_u64().unwrap() > 10);
    // The result is the same for a model folder outside of the run, if its recipe is named.
    std::fs::rename(sandbox.path("runs/r/checkpoints/step-00000012/model"), sandbox.path("m"))
        .unwrap();
    let recipe = ["--recipe", "runs/r/config.toml", "--json"];
    let again = sandbox.good(&[&["eval", "mask-accuracy", "--model", "m"], &recipe[..]].concat());
    assert_eq!(again.json(), report);
}

/// With other data, another part would be held out, and it could contain texts that the model was trained on.
#[test]
fn a_run_whose_data_changed_is_not_measured_on_it() {
    let sandbox = Sandbox::trained();
    let corpus = sandbox.read("corpus.txt");
    sandbox.write("corpus.txt", format!("one more line of text.\n{corpus}"));
    let args = ["eval", "mask-accuracy", "--model", "runs/r"];
    let ended = sandbox.sst(&args);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let told = "runs/r changed since it was trained";
    assert!(ended.stderr.contains(told) && ended.stderr.contains("--data"), "{}", ended.stderr);
    sandbox.good(&[&args[..], &["--data", "corpus.txt"]].concat());
}

/// Prepared data with token ids that the model does not have is an error that names the text.
#[test]
fn prepared_tokens_that_the_model_does_not_know_name_their_text() {
    let sandbox = Sandbox::trained();
    sandbox.good(&["export", "--model", "runs/r", "--format", "huggingface", "--out", "m"]);
    let mut tokenizer = sandbox.json("m/tokenizer.json");
    let first = 1 + sandbox.json("m/config.json")["vocab_size"].as_u64().unwrap();
    let added = tokenizer["added_tokens"].as_array_mut().unwrap();
    added.extend((0..first).map(|id| {
        serde_json::json!({"id": first + id, "content": format!("zebra{id}x"), "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": false})
    }));
    sandbox.write("m/tokenizer.json", tokenizer.to_string());
    let line = format!("the old man saw a zebra{}x\n", first - 1);
    sandbox.write("zoo.txt", line.repeat(40));
    let recipe = sandbox.read("recipe.toml").replace("corpus.txt", "zoo.txt");
    let begin = recipe.find("[tokenizer.train]").unwrap();
    let end = recipe.find("[model]").unwrap();
    let path = "[tokenizer]\npath = \"m\"\n\n";
    let recipe = format!("{}{path}{}", &recipe[..begin], &recipe[end..]);
    sandbox.write("zoo.toml", recipe.replace("validation = 0.1", "validation = 0.5"));
    sandbox.good(&["data", "prepare", "zoo.toml"]);
    for evaluator in ["mask-accuracy", "pseudo-perplexity"] {
        let ended = sandbox.sst(&["eval", evaluator, "--model", "m", "--recipe", "zoo.toml"]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let known = format!("knows ids below {}", first - 1);
        let told = ended.stderr.contains("zoo.txt:") && ended.stderr.contains(&known);
        assert!(told, "{}", ended.stderr);
    }
}

#[test]
fn given_data_is_measured_whole() {
    let sandbox = Sandbox::trained();
    sandbox.write("held.txt", "the old man went to sea.\nand saw light upon water.\n");
    let model = "runs/r/checkpoints/latest/model";
    let args = ["--model", model, "--data", "held.txt", "--json"];
    let report =
        sandbox.good(&[&["eval", "mask-accuracy", "--mask-rate", "0.5"], &args[..]].concat());
    let report = report.json();
    assert_eq!(report["counts"]["rows"], 2);
    let report = sandbox.good(&[&["eval", "pseudo-perplexity"], &args[..]].concat()).json();
    let nll = report["metrics"]["nll"].as_f64().unwrap();
    let perplexity = report["metrics"]["pseudo_perplexity"].as_f64().unwrap();
    assert!((nll.exp() - perplexity).abs() < 1e-9 * perplexity);
    assert!(report["counts"]["tokens"].as_u64().unwrap() >= 12);
}

#[test]
fn what_cannot_be_measured_says_what_is_missing() {
    let sandbox = Sandbox::trained();
    let check = |args: &[&str], expected: &str| {
        let ended = sandbox.sst(&[&["eval", "mask-accuracy"], args].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{expected}\n{}", ended.stderr);
    };
    check(&["--model", "nowhere"], "nowhere does not exist");
    let given = ["--model", "runs/r", "--data", "corpus.txt"];
    let long = [&given[..], &["--max-length", "100000"]].concat();
    check(&long, "error: --max-length is 100000, but the model reads ");
    let rows = [&given[..], &["--rows", "documents"]].concat();
    check(&rows, "error: --rows is `documents`; expected one of `document`, `chunk`, `stream`");
    check(&["--model", "cache"], "is no model folder");
    std::fs::rename(sandbox.path("runs/r/checkpoints/step-00000012/model"), sandbox.path("m"))
        .unwrap();
    check(&["--model", "m"], "say with --data or --recipe");
}
