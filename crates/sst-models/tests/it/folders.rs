//! Model folders: old names, missing prefixes, shards, and folders that sst has written.

use std::path::PathBuf;

use serde_json::{Value, json};
use sst_core::checkpoint::{Allow, Weights};
use sst_core::{Forward, HeadKind, Tokens};
use sst_models::{BuildOptions, InitOptions, ModelCard, build, load, save_folder};
use tch::{Device, Kind};

use crate::case::{Case, close, golden};

/// The folder that an environment variable names, for tests that need external files.
pub(crate) fn environment(name: &str) -> Option<PathBuf> {
    std::env::var(name).ok().map(PathBuf::from)
}

fn error(folder: &str, architecture: Option<&str>) -> String {
    let result = load(&golden(folder), architecture, Device::Cpu, &Allow::default());
    result.map(|_| ()).unwrap_err().to_string()
}

fn options() -> BuildOptions {
    BuildOptions {
        device: Device::Cpu,
        seed: Some(1),
        architecture: None,
        init: InitOptions::default(),
    }
}

fn small(extra: Value) -> Value {
    let mut config = json!({
        "model_type": "bert", "vocab_size": 50, "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 12,
    });
    for (key, value) in extra.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

#[test]
fn old_names_without_prefix_load() {
    let folder = golden("bert/old");
    let (model, report) = load(&folder, None, Device::Cpu, &Allow::default()).unwrap();
    assert_eq!(report.ignored, ["embeddings.position_ids"]);
    let case = Case::open(&folder);
    let mask = case.get("attention_mask").to_kind(Kind::Bool);
    let (ids, types) = (case.get("input_ids"), case.get("token_type_ids"));
    let input = Tokens {
        input_ids: &ids,
        rows: None,
        attention_mask: Some(&mask),
        token_type_ids: Some(&types),
    };
    let hidden =
        model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap().hidden_bld;
    close("last hidden state", &hidden, &case.get("last_hidden_state"), 1e-5);
}

#[test]
fn an_encoder_alone_lacks_heads_by_name() {
    let message = error("bert/old", Some("BertForMaskedLM"));
    assert!(message.contains("missing: cls.predictions.bias"), "{message}");
    assert!(message.contains("unexpected: pooler.dense.weight"), "{message}");
    let allow = Allow { missing: vec!["cls.".into()], unexpected: vec!["pooler.".into()] };
    let (model, report) =
        load(&golden("bert/old"), Some("BertForMaskedLM"), Device::Cpu, &allow).unwrap();
    assert_eq!(report.missing.len(), 5);
    assert!(model.lm_head().is_ok() && model.head(HeadKind::SentencePair).is_err());
}

#[test]
fn shards_hold_the_same_weights_as_one_file() {
    let [one, two] = ["bert/plain", "bert/sharded"]
        .map(|name| load(&golden(name), None, Device::Cpu, &Allow::default()).unwrap().0);
    for (name, tensor) in one.params().iter() {
        assert!(two.params().get(name).unwrap().equal(tensor), "{name}");
    }
}

#[test]
fn names_and_shapes_are_those_of_transformers() {
    for name in ["plain", "odd", "relu"] {
        let text = std::fs::read_to_string(golden(&format!("bert/{name}/keys.json"))).unwrap();
        let want: Value = serde_json::from_str(&text).unwrap();
        let folder = golden(&format!("bert/{name}"));
        let (model, _) = load(&folder, None, Device::Cpu, &Allow::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        save_folder(dir.path(), &*model, None, &ModelCard::default()).unwrap();
        let saved = Weights::open(dir.path()).unwrap();
        let got: serde_json::Map<String, Value> =
            saved.names().map(|n| (n.to_owned(), json!(saved.shape(n).unwrap()))).collect();
        assert_eq!(Value::Object(got), want, "{name}");
        assert_eq!(saved.metadata()["format"], "pt");
    }
}

#[test]
fn a_saved_folder_keeps_config_and_weights() {
    let (model, _) = load(&golden("bert/odd"), None, Device::Cpu, &Allow::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let card =
        ModelCard { tags: vec!["mlm".into()], body: "# A model".into(), ..Default::default() };
    save_folder(dir.path(), &*model, None, &card).unwrap();
    let read = |path: PathBuf| -> Value {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let (was, is) = (read(golden("bert/odd/config.json")), read(dir.path().join("config.json")));
    for (key, value) in was.as_object().unwrap() {
        assert_eq!(is.get(key), Some(value), "{key}");
    }
    let text = std::fs::read_to_string(dir.path().join("README.md")).unwrap();
    assert!(
        text.starts_with("---\nlibrary_name: \"transformers\"\ntags: [\"sst\",\"mlm\"]\n---\n")
    );
    let again = load(dir.path(), None, Device::Cpu, &Allow::default()).unwrap().0;
    for (name, tensor) in model.params().iter() {
        assert!(again.params().get(name).unwrap().equal(tensor), "{name}");
    }
}

#[test]
fn bad_configs_say_which_key() {
    let message =
        |extra: Value| build(&small(extra), &options()).map(|_| ()).unwrap_err().to_string();
    for (extra, key) in [
        (json!({"hidden_sise": 8}), "hidden_sise: unknown field"),
        (json!({"hidden_size": "x"}), "hidden_size: invalid type"),
        (json!({"hidden_act": "gelo"}), "hidden_act: unknown variant"),
        (json!({"hidden_size": 9}), "hidden_size: 9 does not divide into 2 heads"),
        (json!({"num_hidden_layers": 0}), "num_hidden_layers: is 0"),
        (json!({"hidden_dropout_prob": 1.0}), "hidden_dropout_prob: is 1"),
        (json!({"pad_token_id": 50}), "pad_token_id: is 50 and not in the vocabulary"),
        (json!({"model_type": "burt"}), "no model of type `burt`; sst has bert"),
    ] {
        let message = message(extra);
        assert!(message.contains(key), "{message}");
    }
}

#[test]
fn a_config_from_the_hub_may_hold_other_keys_but_no_other_model() {
    let dir = tempfile::tempdir().unwrap();
    let write = |extra: Value| {
        let text = small(extra).to_string();
        std::fs::write(dir.path().join("config.json"), text).unwrap();
    };
    let model = build(&small(json!({})), &options()).unwrap();
    save_folder(dir.path(), &*model, None, &ModelCard::default()).unwrap();
    write(json!({"some_future_key": 3}));
    let read = load(dir.path(), None, Device::Cpu, &Allow::default()).unwrap().0;
    assert_eq!(read.config()["some_future_key"], 3);
    write(json!({"position_embedding_type": "relative_key"}));
    let error = load(dir.path(), None, Device::Cpu, &Allow::default()).map(|_| ()).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("config.json") && error.contains("absolute positions only"), "{error}");
}

#[test]
fn an_untied_head_is_its_own_parameter() {
    let tied = build(&small(json!({})), &options()).unwrap();
    let untied = build(&small(json!({"tie_word_embeddings": false})), &options()).unwrap();
    let name = "cls.predictions.decoder.weight";
    assert!(tied.params().get(name).is_none() && untied.params().get(name).is_some());
}

#[test]
fn a_row_longer_than_the_positions_is_refused() {
    let model = build(&small(json!({})), &options()).unwrap();
    let ids = tch::Tensor::zeros([1, 13], (Kind::Int64, Device::Cpu));
    let input = Tokens::new(&ids);
    let error =
        model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap_err().to_string();
    assert!(error.contains("13 tokens") && error.contains("12 positions"), "{error}");
}
