//! `sst merge`, and other commands on adapters.

use serde_json::json;

use crate::sandbox::{Sandbox, repository};

/// Copies the golden adapter `lora/NAME` and its base model into the sandbox.
fn copied(sandbox: &Sandbox, name: &str) {
    for folder in ["base", "adapter"] {
        std::fs::create_dir(sandbox.path(folder)).unwrap();
        let from = repository().join("tests/goldens/lora").join(name).join(folder);
        for entry in std::fs::read_dir(from).unwrap() {
            let from = entry.unwrap().path();
            std::fs::copy(&from, sandbox.path(folder).join(from.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn an_adapter_becomes_a_whole_model() {
    let sandbox = Sandbox::new();
    copied(&sandbox, "bert");
    let merged = sandbox.good(&["merge", "--model", "adapter", "--out", "merged", "--json"]);
    assert!(merged.stderr.contains("the greatest change of a logit is"), "{}", merged.stderr);
    let report = merged.json();
    assert!(report["greatest_change"].as_f64().unwrap() < 1e-4, "{report}");
    assert!(report["largest_logit"].as_f64().unwrap() > 0.01, "{report}");
    assert_eq!(report["ledger"], json!({}));
    assert!(sandbox.path("merged/model.safetensors").exists());
    assert!(!sandbox.path("merged/adapter_config.json").exists());
    assert_eq!(sandbox.json("merged/config.json")["id2label"]["1"], "sport");

    let refused = |args: &[&str], part: &str| {
        let ended = sandbox.sst(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{args:?}: {}", ended.stderr);
    };
    refused(&["merge", "--model", "adapter", "--out", "merged"], "merged exists");
    refused(&["merge", "--model", "merged", "--out", "x"], "nothing to merge");
    let sentences = ["export", "--format", "sentence-transformers", "--out", "x"];
    refused(&[&sentences[..], &["--model", "adapter"]].concat(), "sst merge");
    std::fs::remove_dir_all(sandbox.path("base")).unwrap();
    refused(&["merge", "--model", "adapter", "--out", "x"], "base_model_name_or_path");
    assert!(!sandbox.path("x").exists());
}

/// Weights that overflow are not written.
#[test]
fn what_is_not_finite_is_not_merged() {
    let sandbox = Sandbox::new();
    copied(&sandbox, "bert");
    let mut config = sandbox.json("adapter/adapter_config.json");
    config["lora_alpha"] = json!(1e40);
    sandbox.write("adapter/adapter_config.json", config.to_string());
    let ended = sandbox.sst(&["merge", "--model", "adapter", "--out", "merged"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("NaN or infinity"), "{}", ended.stderr);
    assert!(!sandbox.path("merged").exists());
}
