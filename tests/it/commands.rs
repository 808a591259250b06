//! `sst doctor`, `sst list`, `sst checkpoint`, `sst completions`.

use crate::sandbox::Sandbox;

#[test]
fn doctor_finds_libtorch_and_a_cache_it_can_write_to() {
    let sandbox = Sandbox::new();
    let report = sandbox.good(&["doctor", "--json"]).json();
    assert_eq!(report["libtorch"]["version"], "2.11.0");
    assert_eq!((&report["good"], &report["cache"]["writable"]), (&true.into(), &true.into()));
    assert!(report["threads"].as_u64().unwrap() > 0);
    assert!(!report["cuda"]["note"].as_str().unwrap().is_empty());
    for precision in ["fp32", "bf16", "fp16"] {
        assert!(report["products"][precision].as_u64() > Some(0), "{report}");
    }
    let levels = report["cpu"]["levels"].as_array().unwrap();
    assert!(levels.contains(&report["cpu"]["level"]), "{report}");
    let has_bf16 = ["avx512bf16", "amx"].iter().any(|level| report["cpu"]["level"] == *level);
    assert_eq!(report["products"]["auto"], if has_bf16 { "bf16" } else { "fp32" });

    sandbox.write("file", "");
    let mut command = sandbox.command(&["doctor"]);
    let output = command.env("XDG_CACHE_HOME", sandbox.path("file")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn list_prints_every_entry_with_its_keys() {
    let sandbox = Sandbox::new();
    let all = sandbox.good(&["list", "--json"]).json();
    let mlm = &all["objectives"][0];
    assert_eq!((&mlm["name"], &mlm["config"]["mask_rate"]), (&"mlm".into(), &0.15.into()));
    assert_eq!(all["models"][0]["config"]["hidden_size"], 768);
    let keys_of = |kind: &str, name: &str| {
        let item = all[kind].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap();
        assert!(item["config"].get("name").is_none_or(|given| *given == name), "{item}");
        item["config"].clone()
    };
    assert_eq!(all["schedules"].as_array().unwrap().len(), 5);
    assert_eq!(keys_of("schedules", "wsd")["cooldown"], "0.1run");
    assert_eq!(keys_of("tokenizers", "unigram")["algorithm"], "unigram");
    assert_eq!(keys_of("tokenizers", "bpe")["extra_tokens"], serde_json::json!([]));
    assert!(!keys_of("transforms", "random_crop").as_object().unwrap().is_empty());
    let optimizers = all["optimizers"].as_array().unwrap();
    let names = |key: fn(&serde_json::Value) -> &serde_json::Value| -> Vec<&str> {
        optimizers.iter().map(|item| key(item).as_str().unwrap()).collect()
    };
    // The names are those that a recipe uses.
    assert_eq!(names(|item| &item["name"]), ["adamw", "muon"]);
    assert_eq!(names(|item| &item["config"]["name"]), ["adamw", "muon"]);
    let kinds: Vec<&str> = all["augmentations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["name"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["mask", "deletion", "swap", "crop", "synonym", "back_translation"]);
    let text = sandbox.good(&["list", "augmentations"]).stdout;
    assert!(text.contains("translator = \"apertium\"") && !text.contains("mlm"), "{text}");
    let simcse =
        all["objectives"].as_array().unwrap().iter().find(|o| o["name"] == "simcse").unwrap();
    assert_eq!(simcse["config"]["projection"], "none");
    let text = sandbox.good(&["list", "objectives"]).stdout;
    assert!(text.contains("mlm") && text.contains("mask_rate = 0.15") && !text.contains("bert"));
}

#[test]
fn checkpoints_are_listed_and_a_damaged_one_is_found() {
    let sandbox = Sandbox::trained();
    let list = sandbox.good(&["checkpoint", "list", "runs/r", "--json"]).json();
    let steps: Vec<u64> = list["checkpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [4, 8, 12]);
    assert!(list["checkpoints"][2]["metrics"]["train/loss"].is_f64());
    sandbox.good(&["checkpoint", "verify", "runs/r/checkpoints/latest"]);
    std::fs::write(sandbox.path("runs/r/checkpoints/step-00000008/state/trainer.json"), "{}")
        .unwrap();
    let ended = sandbox.sst(&["checkpoint", "verify", "runs/r", "--json"]);
    assert_eq!(ended.code, Some(1));
    let verified = ended.json();
    assert_eq!(verified["good"], false);
    assert!(verified["checkpoints"][1]["error"].as_str().unwrap().contains("trainer.json"));
    assert_eq!(verified["checkpoints"][2]["good"], true);
    let ended = sandbox.sst(&["checkpoint", "list", "cache"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("cache holds no checkpoint"), "{}", ended.stderr);
}

#[test]
fn completions_know_every_command() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.good(&["completions", shell]).stdout;
        for command in ["pretrain", "fill-mask", "mask-accuracy", "completions"] {
            assert!(script.contains(command), "{shell} {command}");
        }
    }
}
