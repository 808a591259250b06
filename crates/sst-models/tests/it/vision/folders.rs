//! Folders of image models and dual encoders, read and written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sst_core::checkpoint::Weights;
use sst_core::{HeadKind, Modality};
use sst_data::UnusedKind;
use sst_models::{
    LoadHead, LoadOptions, ModelCard, Role, Sizes, check_folder, labels_of, open, save_folder,
};
use tch::Device;

use super::{CASES, folder, found};

/// A folder that is left for `tests/parity/vision.py`, which gives it to transformers.
pub(super) fn written(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("vision-folders").join(name)
}

fn keys(weights: &Weights) -> BTreeMap<String, Vec<i64>> {
    weights.names().map(|name| (name.to_owned(), weights.shape(name).unwrap())).collect()
}

#[test]
fn folders_of_transformers_load_completely_and_are_written_with_their_keys() {
    for (name, model_type, architecture) in CASES {
        let loaded = found(&folder(name));
        for kind in [UnusedKind::Tensor, UnusedKind::ConfigKey] {
            assert_eq!(loaded.unused.of(kind).collect::<Vec<_>>(), [""; 0], "{name}");
        }
        assert_eq!((&loaded.report.missing, &loaded.absent), (&Vec::new(), &Vec::new()), "{name}");
        let model = &*loaded.model;
        assert_eq!(model.model_type(), model_type, "{name}");
        let written = written(name);
        save_folder(&written, model, None, &ModelCard::default()).unwrap();
        let text = std::fs::read_to_string(folder(name).join("keys.json")).unwrap();
        let golden: BTreeMap<String, Vec<i64>> = serde_json::from_str(&text).unwrap();
        let weights = Weights::open(&written).unwrap();
        assert_eq!(keys(&weights), golden, "{name}");
        // Every key of transformers' config.json is kept with its value.
        let config = |path: &Path| -> Value {
            serde_json::from_slice(&std::fs::read(path.join("config.json")).unwrap()).unwrap()
        };
        let (got, want) = (config(&written), config(&folder(name)));
        assert_eq!(got["architectures"], json!([architecture]), "{name}");
        assert_kept(name, &got, &want);
        // The second folder is equal to the first.
        let again = found(&written);
        for (parameter, value) in model.params().iter() {
            assert!(
                again.model.params().get(parameter).unwrap().equal(value),
                "{name} {parameter}"
            );
        }
        assert_eq!(again.model.config(), model.config(), "{name}");
    }
}

fn assert_kept(name: &str, got: &Value, want: &Value) {
    for (key, value) in want.as_object().unwrap() {
        match value {
            Value::Object(_) => assert_kept(&format!("{name} {key}"), &got[key], value),
            _ if key == "dtype" || key == "transformers_version" => {}
            Value::Number(number) => {
                assert_eq!(got[key].as_f64(), number.as_f64(), "{name} {key}");
            }
            _ => assert_eq!(&got[key], value, "{name} {key}"),
        }
    }
}

#[test]
fn sizes_and_labels_of_folders() {
    let options = LoadOptions::new(Device::Cpu);
    let text = Sizes { vocab_size: Some(31), max_length: Some(9) };
    for (name, model_type, _) in CASES {
        let expected = if model_type.starts_with("vit") { Sizes::default() } else { text };
        assert_eq!(check_folder(&folder(name), &options).unwrap(), expected, "{name}");
    }
    let labels = labels_of(&folder("vit"), HeadKind::SequenceClassification).unwrap().unwrap();
    assert_eq!(labels.names, ["cat", "dog", "bird"]);
    assert_eq!(labels_of(&folder("clip"), HeadKind::SequenceClassification).unwrap(), None);
}

#[test]
fn a_head_is_made_for_an_encoder_and_reported() {
    // The classifier of the folder is for three classes, and the caller starts a new one for two.
    let mut options = LoadOptions::new(Device::Cpu);
    options.head = LoadHead::New(HeadKind::SequenceClassification);
    options.reset_head = true;
    let labels = [("id2label", json!({"0": "a", "1": "b"})), ("label2id", json!({"a": 0, "b": 1}))];
    options.config.extend(labels.map(|(key, value)| (key.to_owned(), value)));
    let loaded = open(&folder("vit"), &options).unwrap();
    assert_eq!(loaded.report.missing, ["classifier.weight", "classifier.bias"]);
    let unused: Vec<&str> = loaded.unused.of(UnusedKind::Tensor).collect();
    assert_eq!(unused, ["classifier.bias", "classifier.weight"]);
    let head = loaded.model.head(HeadKind::SequenceClassification).unwrap();
    assert_eq!(head.num_outputs(), 2);
    for (name, kind) in [
        ("clip", HeadKind::SequenceClassification),
        ("mae", HeadKind::SequenceClassification),
        ("vit", HeadKind::LanguageModel),
    ] {
        let options = LoadOptions { head: LoadHead::New(kind), ..LoadOptions::new(Device::Cpu) };
        let error = open(&folder(name), &options).err().unwrap().to_string();
        assert!(error.contains("has no"), "{name}: {error}");
    }
    let mut options = LoadOptions::new(Device::Cpu);
    options.head = LoadHead::Needed(HeadKind::Projection(Modality::Text));
    assert!(open(&folder("clip"), &options).is_ok());
}

/// Files with other spellings of names and keys.
#[test]
fn older_files_and_those_of_transformers_memory_are_read() {
    type Change = (&'static str, &'static str);
    let memory: &[Change] = &[
        ("encoder.layer.", "layers."),
        (".attention.attention.query.", ".attention.q_proj."),
        (".attention.attention.key.", ".attention.k_proj."),
        (".attention.attention.value.", ".attention.v_proj."),
        (".attention.output.dense.", ".attention.o_proj."),
        (".intermediate.dense.", ".mlp.fc1."),
        (".output.dense.", ".mlp.fc2."),
    ];
    let nested: &[Change] = &[("vision_model.", "vision_model.vision_model.")];
    let hub: &[Change] = &[("decoder.decoder_encoder.layer.", "decoder.decoder_layers.")];
    for (name, changes) in [("vit", memory), ("dual-clip", nested), ("mae", hub)] {
        let model = found(&folder(name)).model;
        let written = tempfile::tempdir().unwrap();
        std::fs::copy(folder(name).join("config.json"), written.path().join("config.json"))
            .unwrap();
        let weights = Weights::open(&folder(name)).unwrap();
        let renamed = weights.names().map(|name| {
            let spelt =
                changes.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to));
            (spelt, weights.tensor(name).unwrap())
        });
        let mut tensors: BTreeMap<_, _> = renamed.collect();
        assert!(tensors.keys().any(|name| !weights.contains(name)), "{name}");
        if name == "dual-clip" {
            let ids = tch::Tensor::arange(5, (tch::Kind::Int64, Device::Cpu));
            tensors.insert("vision_model.vision_model.embeddings.position_ids".into(), ids);
        }
        let path = written.path().join("model.safetensors");
        sst_core::checkpoint::write_tensors(&path, &tensors, &[]).unwrap();
        let loaded = found(written.path());
        assert!(loaded.unused.is_empty(), "{name}: {:?}", loaded.unused);
        for (parameter, value) in model.params().iter() {
            let got = loaded.model.params().get(parameter).unwrap();
            assert!(got.equal(value), "{name} {parameter}");
        }
    }
}

#[test]
fn what_a_folder_has_and_the_model_has_not_is_reported() {
    let written = tempfile::tempdir().unwrap();
    let mut config: Value =
        serde_json::from_slice(&std::fs::read(folder("clip").join("config.json")).unwrap())
            .unwrap();
    config["text_config"]["gate"] = json!(3);
    config["text_config_dict"] = json!({"vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 2,
        "num_attention_heads": 3, "intermediate_size": 17, "max_position_embeddings": 9, "eos_token_id": 4});
    std::fs::write(written.path().join("config.json"), config.to_string()).unwrap();
    let weights = Weights::open(&folder("clip")).unwrap();
    let mut tensors: BTreeMap<String, tch::Tensor> =
        weights.names().map(|name| (name.to_owned(), weights.tensor(name).unwrap())).collect();
    tensors.insert("vision_model.adapter.weight".into(), tch::Tensor::from_slice(&[1.0_f32]));
    let path = written.path().join("model.safetensors");
    sst_core::checkpoint::write_tensors(&path, &tensors, &[]).unwrap();
    let options = LoadOptions { role: Role::Write, ..LoadOptions::new(Device::Cpu) };
    let loaded = open(written.path(), &options).unwrap();
    let items = |kind: UnusedKind| loaded.unused.of(kind).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(items(UnusedKind::Tensor), ["vision_model.adapter.weight"]);
    assert_eq!(items(UnusedKind::ConfigKey), ["config.json: text_config: gate"]);
    assert!(loaded.model.config().get("text_config_dict").is_none());
}
