//! Folders of adapters that are damaged, incomplete, or ask for what sst does not implement.

use std::path::Path;

use serde_json::{Value, json};
use sst_core::{HeadKind, LoraConfig, LoraTargets};
use sst_data::UnusedKind;
use sst_models::{LoadHead, LoadOptions, ModelCard, open, save_folder};
use tch::Device;

use crate::case::golden;

/// A copy of the golden `lora/NAME`, with the keys of adapter_config.json changed.
fn copy(name: &str, keys: &[(&str, Value)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["base", "adapter"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
        for entry in std::fs::read_dir(golden("lora").join(name).join(folder)).unwrap() {
            let from = entry.unwrap().path();
            std::fs::copy(&from, dir.path().join(folder).join(from.file_name().unwrap())).unwrap();
        }
    }
    edit(&dir.path().join("adapter/adapter_config.json"), keys);
    dir
}

fn edit(path: &Path, keys: &[(&str, Value)]) {
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (key, value) in keys {
        config[*key] = value.clone();
    }
    std::fs::write(path, config.to_string()).unwrap();
}

fn error(folder: &Path, options: &LoadOptions) -> String {
    open(folder, options).map(|_| ()).unwrap_err().to_string()
}

fn plain() -> LoadOptions {
    LoadOptions::new(Device::Cpu)
}

#[test]
fn keys_that_would_change_the_numbers_are_refused_and_others_are_listed() {
    for (key, value) in [
        ("use_dora", json!(true)),
        ("bias", json!("all")),
        ("lora_bias", json!(true)),
        ("rank_pattern", json!({"query": 2})),
        ("alpha_pattern", json!({"query": 2})),
        ("init_lora_weights", json!("pissa")),
        ("init_lora_weights", json!("olora")),
        ("layer_replication", json!([[0, 1]])),
        ("trainable_token_indices", json!([3])),
        ("peft_type", json!("IA3")),
        ("r", json!(0)),
        ("r", json!("three")),
        ("lora_dropout", json!(1.0)),
    ] {
        let dir = copy("bert", &[(key, value.clone())]);
        let error = error(&dir.path().join("adapter"), &plain());
        assert!(
            error.contains("adapter_config.json") && error.contains(key),
            "{key} {value}: {error}"
        );
    }
    let keys = [("init_lora_weights", json!("gaussian")), ("some_future_key", json!(3))];
    let dir = copy("bert", &keys);
    let loaded = open(&dir.path().join("adapter"), &plain()).unwrap();
    let unused: Vec<&str> = loaded.unused.of(UnusedKind::ConfigKey).collect();
    assert_eq!(unused, ["adapter_config.json: some_future_key"]);
}

#[test]
fn a_base_model_is_found_relative_or_absolute_or_missed_by_name() {
    let dir = copy("bert", &[]);
    let (adapter, base) = (dir.path().join("adapter"), dir.path().join("base"));
    open(&adapter, &plain()).unwrap();
    let config = adapter.join("adapter_config.json");
    edit(&config, &[("base_model_name_or_path", json!(base.to_str().unwrap()))]);
    open(&adapter, &plain()).unwrap();
    for (named, part) in [
        (json!("bert-base-uncased"), "names the base model `bert-base-uncased`"),
        (json!(null), "names no base model"),
        (json!("."), "names the base model `.`"),
    ] {
        edit(&config, &[("base_model_name_or_path", named)]);
        let error = error(&adapter, &plain());
        assert!(error.contains(part) && error.contains("base_model_name_or_path"), "{error}");
    }
    // An adapter of an adapter.
    edit(&config, &[("base_model_name_or_path", json!("../base"))]);
    std::fs::copy(&config, base.join("adapter_config.json")).unwrap();
    let error = error(&adapter, &plain());
    assert!(error.contains("an adapter itself") && error.contains("sst merge"), "{error}");
}

#[test]
fn tensors_that_are_missing_or_too_many_are_refused_by_name() {
    use std::collections::BTreeMap;

    use sst_core::checkpoint::{Weights, write_tensors};
    let change = |change: &dyn Fn(&mut BTreeMap<String, tch::Tensor>)| {
        let dir = copy("bert", &[]);
        let path = dir.path().join("adapter/adapter_model.safetensors");
        let weights = Weights::open(&path).unwrap();
        let mut tensors: BTreeMap<String, tch::Tensor> =
            weights.names().map(|name| (name.to_owned(), weights.tensor(name).unwrap())).collect();
        change(&mut tensors);
        write_tensors(&path, &tensors, &[]).unwrap();
        error(&dir.path().join("adapter"), &plain())
    };
    let layer = "base_model.model.bert.encoder.layer.0.attention.self.query";
    let message = change(&|tensors| drop(tensors.remove(&format!("{layer}.lora_B.weight"))));
    assert!(
        message.contains("missing: bert.encoder.layer.0.attention.self.query.lora_B.weight"),
        "{message}"
    );
    let message = change(&|tensors| {
        let tensor = tensors[&format!("{layer}.lora_A.weight")].shallow_clone();
        tensors.insert(
            "base_model.model.bert.embeddings.word_embeddings.lora_embedding_A".into(),
            tensor,
        );
    });
    assert!(message.contains("unexpected: ") && message.contains("lora_embedding_A"), "{message}");
    let message = change(&|tensors| {
        let tensor = tensors[&format!("{layer}.lora_A.weight")].narrow(0, 0, 2).contiguous();
        tensors.insert(format!("{layer}.lora_A.weight"), tensor);
    });
    assert!(message.contains("other shape: ") && message.contains("lora_A"), "{message}");
    let message = change(&|tensors| {
        let tensor = &tensors[&format!("{layer}.lora_A.weight")] * f64::NAN;
        tensors.insert(format!("{layer}.lora_A.weight"), tensor);
    });
    assert!(message.contains("NaN"), "{message}");
    let dir = copy("bert", &[]);
    let (from, to) = ("adapter/adapter_model.safetensors", "adapter/adapter_model.bin");
    std::fs::rename(dir.path().join(from), dir.path().join(to)).unwrap();
    let error = error(&dir.path().join("adapter"), &plain());
    assert!(error.contains("adapter_model.bin") && error.contains("save_pretrained"), "{error}");
}

#[test]
fn an_adapter_is_not_used_with_another_base_model() {
    let dir = copy("bert", &[]);
    let saved = dir.path().join("saved");
    let model = open(&dir.path().join("adapter"), &plain()).unwrap().model;
    save_folder(&saved, &*model, None, &ModelCard::default()).unwrap();
    open(&saved, &plain()).unwrap();
    let config = dir.path().join("base/config.json");
    edit(&config, &[("layer_norm_eps", json!(1e-6))]);
    let error = error(&saved, &plain());
    assert!(
        error.contains("not the base model") && error.contains("config.json differs"),
        "{error}"
    );
    std::fs::remove_file(saved.join("base_model.json")).unwrap();
    open(&saved, &plain()).unwrap();
}

/// An adapter that PEFT wrote does not name the classes: their number is that of the rows of its head.
#[test]
fn the_number_of_classes_follows_from_the_head() {
    let dir = copy("bert", &[]);
    edit(
        &dir.path().join("base/config.json"),
        &[("id2label", json!(null)), ("num_labels", json!(7))],
    );
    let loaded = open(&dir.path().join("adapter"), &plain()).unwrap();
    assert_eq!(loaded.model.head(HeadKind::SequenceClassification).unwrap().num_outputs(), 3);
    // A caller of another head gets that of the base model, with the matrices of the adapter.
    let masked = copy("bert-masked", &[]);
    let head = LoadHead::Needed(HeadKind::SequenceClassification);
    let error = error(&masked.path().join("adapter"), &LoadOptions { head, ..plain() });
    assert!(error.contains("holds no sequence-classification head"), "{error}");
}

#[test]
fn an_adapter_is_no_model_to_train_on() {
    let folder = golden("lora/bert/adapter");
    let head = LoadHead::New(HeadKind::SequenceClassification);
    let targets = LoraTargets::AllLinear;
    let lora = LoraConfig { rank: 2, alpha: 2.0, dropout: 0.0, use_rslora: false, targets };
    for options in
        [LoadOptions { head, ..plain() }, LoadOptions { lora: Some(lora.clone()), ..plain() }]
    {
        let error = error(&folder, &options);
        assert!(error.contains("sst merge"), "{error}");
    }
}
