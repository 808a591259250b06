//! Classification heads that are an MLP, and heads of another size than the labels.

use serde_json::json;
use sst_core::{Forward, HeadKind, Tokens};
use sst_data::UnusedKind;
use sst_models::{HeadConfig, LoadHead, LoadOptions, ModelCard, label_keys, open, save_folder};
use tch::{Device, Kind};

use crate::altered::altered;
use crate::case::{Case, close, golden};
use crate::heads;

const MLP: HeadConfig = HeadConfig::Mlp { hidden_size: 7, dropout: 0.0 };
const SEQUENCE: HeadKind = HeadKind::SequenceClassification;

fn new_head(kind: HeadKind, labels: &[&str]) -> LoadOptions {
    let labels: Vec<String> = labels.iter().map(|name| (*name).to_owned()).collect();
    let mut config = label_keys(&labels);
    config.insert("classifier_dropout".to_owned(), json!(0.0));
    LoadOptions { head: LoadHead::New(kind), config, seed: 3, ..LoadOptions::new(Device::Cpu) }
}

#[test]
fn an_mlp_is_two_layers_with_relu_and_is_saved_and_loaded() {
    for (folder, kind, module, is_pooled) in [
        ("heads/sequence", SEQUENCE, "classifier", true),
        ("heads/token", HeadKind::TokenClassification, "classifier", false),
        ("causal/gpt2", SEQUENCE, "score", false),
        ("causal/llama", HeadKind::TokenClassification, "score", false),
    ] {
        let options =
            LoadOptions { head_layers: Some(MLP), ..new_head(kind, &["a", "b", "c", "d"]) };
        let loaded = open(&golden(folder), &options).unwrap();
        let model = &*loaded.model;
        assert_eq!(
            model.config()["sst_head"],
            json!({"type": "mlp", "hidden_size": 7, "dropout": 0.0})
        );
        assert_eq!(loaded.report.missing.len(), 4, "{folder}: {:?}", loaded.report.missing);
        let case = Case::open(&golden("heads/sequence"));
        let got = heads::padded_logits(model, kind, &case, "");
        // By hand, from the hidden states.
        let (ids, mask) = (case.get("input_ids"), case.get("attention_mask").to_kind(Kind::Bool));
        let tokens = Tokens { attention_mask: Some(&mask), ..Tokens::new(&ids) };
        let encoder = model.text_encoder().unwrap();
        let output = encoder.encode(tokens.into(), Forward::EVAL).unwrap();
        let param = |name: &str| model.params().get(name).unwrap().shallow_clone();
        let linear = |x: &tch::Tensor, name: &str| {
            x.linear(&param(&format!("{name}.weight")), Some(&param(&format!("{name}.bias"))))
        };
        let mut hidden = output.select(model.head(kind).unwrap().input(), &ids).unwrap();
        if is_pooled {
            hidden = linear(&hidden, "bert.pooler.dense").tanh();
        }
        let inner = linear(&hidden, &format!("{module}.dense")).relu();
        close(folder, &got, &linear(&inner, &format!("{module}.out_proj")), 1e-5);

        let dir = tempfile::tempdir().unwrap();
        save_folder(dir.path(), model, None, &ModelCard::default()).unwrap();
        let again = open(dir.path(), &LoadOptions::new(Device::Cpu)).unwrap();
        assert_eq!(again.unused.of(UnusedKind::ConfigKey).count(), 0, "{folder}");
        assert_eq!(again.model.params().iter().count(), model.params().iter().count());
        for (name, tensor) in model.params().iter() {
            assert!(again.model.params().get(name).unwrap().equal(tensor), "{folder}: {name}");
        }
        // The folder says which layers the head has; a caller that wants a linear layer gets a new one.
        let options = LoadOptions { config: Default::default(), ..new_head(kind, &[]) };
        let again = open(dir.path(), &options).unwrap();
        assert_eq!(again.report.missing, [""; 0], "{folder}");
        let options = LoadOptions { head_layers: Some(HeadConfig::Linear), ..options };
        let linear = open(dir.path(), &options).unwrap();
        assert!(linear.report.missing.contains(&format!("{module}.weight")), "{folder}");
        assert!(linear.model.config().get("sst_head").is_none());
        assert_eq!(linear.unused.of(UnusedKind::Tensor).count(), 4, "{folder}");
    }
}

#[test]
fn a_head_of_another_size_is_refused_unless_it_starts_anew() {
    let options = new_head(SEQUENCE, &["red", "blue"]);
    let error = open(&golden("heads/sequence"), &options).map(|_| ()).unwrap_err().to_string();
    let part = "its sequence-classification head has 3 outputs, and 2 are needed (red, blue)";
    assert!(error.contains(part) && error.contains("reset_head"), "{error}");
    let anew = LoadOptions { reset_head: true, ..options };
    let loaded = open(&golden("heads/sequence"), &anew).unwrap();
    assert_eq!(loaded.model.head(SEQUENCE).unwrap().num_outputs(), 2);
    let mut missing = loaded.report.missing;
    missing.sort();
    assert_eq!(missing, ["classifier.bias", "classifier.weight"]);
    let unused: Vec<&str> = loaded.unused.of(UnusedKind::Tensor).collect();
    assert_eq!(unused, ["classifier.bias", "classifier.weight"]);
    // The numbers of a config.json and its weights may differ too.
    let dir =
        altered("heads/llama", |content| content.set("id2label", json!({"0": "a", "1": "b"})));
    let error =
        open(dir.path(), &LoadOptions { config: Default::default(), ..new_head(SEQUENCE, &[]) });
    let error = error.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("has 3 outputs, and 2 are needed (a, b)"), "{error}");
}

/// A folder whose head is of another task: the tensors of that head are not taken for the new one.
#[test]
fn the_head_of_another_task_is_not_used() {
    for (folder, kind, head) in [
        (
            "heads/sequence",
            HeadKind::TokenClassification,
            &["classifier.bias", "classifier.weight"][..],
        ),
        ("heads/llama", HeadKind::TokenClassification, &["score.bias", "score.weight"]),
    ] {
        let loaded = open(&golden(folder), &new_head(kind, &["x", "y", "z"])).unwrap();
        let mut missing = loaded.report.missing;
        missing.sort();
        assert_eq!(missing, head, "{folder}");
    }
}
