//! Task heads against transformers: logits, loss, every gradient, ten steps, and folders read and written.

use std::path::Path;

use serde_json::{Map, Value, json};
use sst_core::checkpoint::{Allow, Weights};
use sst_core::{EncoderOutput, Forward, HeadKind, Model, RaggedRows, Tokens};
use sst_data::UnusedKind;
use sst_models::{
    Labels, LoadHead, LoadOptions, Loaded, ModelCard, ProblemType, load, open, save_folder,
};
use tch::{Device, Kind, Reduction, Tensor};

use crate::altered::altered;
use crate::case::{Case, close, golden};
use crate::steps;

const SEQUENCE: HeadKind = HeadKind::SequenceClassification;
const CASES: [(&str, &str, HeadKind, usize); 17] = [
    ("sequence", "BertForSequenceClassification", SEQUENCE, 3),
    ("several", "BertForSequenceClassification", SEQUENCE, 3),
    ("regression", "BertForSequenceClassification", SEQUENCE, 1),
    ("two", "BertForSequenceClassification", SEQUENCE, 2),
    ("token", "BertForTokenClassification", HeadKind::TokenClassification, 5),
    ("span", "BertForQuestionAnswering", HeadKind::Span, 2),
    ("gpt2", "GPT2ForSequenceClassification", SEQUENCE, 3),
    ("llama", "LlamaForSequenceClassification", SEQUENCE, 3),
    ("llama-left", "LlamaForSequenceClassification", SEQUENCE, 3),
    ("gpt2-several", "GPT2ForSequenceClassification", SEQUENCE, 3),
    ("gpt2-regression", "GPT2ForSequenceClassification", SEQUENCE, 1),
    ("gpt2-token", "GPT2ForTokenClassification", HeadKind::TokenClassification, 5),
    ("gpt2-span", "GPT2ForQuestionAnswering", HeadKind::Span, 2),
    ("llama-several", "LlamaForSequenceClassification", SEQUENCE, 3),
    ("llama-regression", "LlamaForSequenceClassification", SEQUENCE, 1),
    ("llama-token", "LlamaForTokenClassification", HeadKind::TokenClassification, 5),
    ("llama-span", "LlamaForQuestionAnswering", HeadKind::Span, 2),
];

/// Whether the gradient of a parameter is mathematically zero. In a span head the softmax runs over the tokens of a row,
/// so that it is invariant to a shift of all scores.
fn is_zero(kind: HeadKind, name: &str) -> bool {
    let shifts = ["qa_outputs.bias", "layer.1.output.LayerNorm.bias", "ln_f.bias"];
    name.ends_with(ZERO_GRADIENT)
        || kind == HeadKind::Span && shifts.iter().any(|end| name.ends_with(end))
}

/// The same during ten steps, where a third of this gradient, that of the keys, is rounding.
fn is_zero_in_steps(kind: HeadKind, name: &str) -> bool {
    is_zero(kind, name) || name.ends_with("c_attn.bias")
}

/// Mathematically zero, as in the other goldens of BERT.
const ZERO_GRADIENT: &str = "attention.self.key.bias";

fn folder(name: &str) -> std::path::PathBuf {
    golden("heads").join(name)
}

fn found(folder: &Path) -> Loaded {
    open(folder, &LoadOptions::new(Device::Cpu)).unwrap()
}

/// The logits of the padded rows of a case.
pub(crate) fn padded_logits(
    model: &dyn Model,
    kind: HeadKind,
    case: &Case,
    prefix: &str,
) -> Tensor {
    let get = |name: &str| case.get(&format!("{prefix}{name}"));
    let (ids, mask) = (get("input_ids"), get("attention_mask").to_kind(Kind::Bool));
    let padded = Tokens { attention_mask: Some(&mask), ..Tokens::new(&ids) };
    let encoder = model.text_encoder().unwrap();
    logits(model, kind, &encoder.encode(padded.into(), Forward::TRAIN).unwrap(), &ids)
}

fn logits(model: &dyn Model, kind: HeadKind, output: &EncoderOutput, ids: &Tensor) -> Tensor {
    let head = model.head(kind).unwrap();
    head.logits(&output.select(head.input(), ids).unwrap(), Forward::TRAIN).unwrap()
}

fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.cross_entropy_loss(labels, None::<Tensor>, Reduction::Mean, -100, 0.0)
}

/// The loss that transformers chooses for the problem type.
pub(crate) fn loss(model: &dyn Model, case: &Case, prefix: &str, logits: &Tensor) -> Tensor {
    let get = |name: &str| case.get(&format!("{prefix}{name}"));
    if let Some(starts) = case.find(&format!("{prefix}start_positions")) {
        let [rows, length] = get("input_ids").size()[..] else { panic!() };
        let logits_blo = logits.reshape([rows, length, 2]);
        let of = |place: i64, labels: &Tensor| cross_entropy(&logits_blo.select(2, place), labels);
        return (of(0, &starts) + of(1, &get("end_positions"))) / 2.0;
    }
    let labels = get("labels");
    match Labels::of(&model.config()).unwrap().problem_type {
        Some(ProblemType::Regression) => logits.squeeze_dim(1).mse_loss(&labels, Reduction::Mean),
        Some(ProblemType::MultiLabel) => logits.binary_cross_entropy_with_logits(
            &labels,
            None::<Tensor>,
            None::<Tensor>,
            Reduction::Mean,
        ),
        Some(ProblemType::SingleLabel) | None => cross_entropy(logits, &labels.flatten(0, -1)),
    }
}

#[test]
fn task_heads_equal_transformers() {
    for (name, architecture, kind, outputs) in CASES {
        let (case, loaded) = (Case::open(&folder(name)), found(&folder(name)));
        let model = &*loaded.model;
        assert_eq!(model.config()["architectures"], json!([architecture]), "{name}");
        for kind in [UnusedKind::Tensor, UnusedKind::ConfigKey] {
            assert_eq!(loaded.unused.of(kind).collect::<Vec<_>>(), [""; 0], "{name}");
        }
        assert_eq!(model.head(kind).unwrap().num_outputs(), outputs, "{name}");
        let (ids, mask) = (case.get("input_ids"), case.get("attention_mask").to_kind(Kind::Bool));
        let encoder = model.text_encoder().unwrap();
        let got = padded_logits(model, kind, &case, "");
        let want = case.get("logits");
        let is_each = want.dim() == 3;
        let shown = match is_each {
            false => got.shallow_clone(),
            true => got.reshape(want.size()) * mask.unsqueeze(-1),
        };
        close(&format!("{name}: logits"), &shown, &want, 1e-5);
        let loss = loss(model, &case, "", &got);
        close(&format!("{name}: loss"), &loss, &case.get("loss"), 1e-5);
        loss.f_backward().unwrap();
        steps::check_gradients_but(&case, model, &|name| is_zero(kind, name));

        // Ragged rows give the same results.
        let places = mask.flatten(0, 1).nonzero().squeeze_dim(1);
        let lengths = Vec::<i64>::try_from(mask.sum_dim_intlist(1, false, Kind::Int64)).unwrap();
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
        let rows = RaggedRows::new(&lengths, Device::Cpu);
        let flat = ids.flatten(0, 1).index_select(0, &places);
        let output = encoder.encode(Tokens::ragged(&flat, &rows).into(), Forward::EVAL).unwrap();
        let want = if is_each { want.flatten(0, 1).index_select(0, &places) } else { want };
        close(&format!("{name}: ragged"), &logits(model, kind, &output, &flat), &want, 1e-5);
    }
}

#[test]
fn ten_steps_of_task_heads_equal_transformers() {
    for (name, _, kind, _) in CASES {
        let (case, loaded) = (Case::open(&folder(name)), found(&folder(name)));
        let is_zero = |name: &str| is_zero_in_steps(kind, name);
        steps::check_but(&case, &*loaded.model, &is_zero, &|model, prefix| {
            loss(model, &case, prefix, &padded_logits(model, kind, &case, prefix))
        });
    }
}

#[test]
fn folders_with_task_heads_are_written_as_they_were() {
    for (name, ..) in CASES {
        let (was, dir) = (found(&folder(name)), tempfile::tempdir().unwrap());
        save_folder(dir.path(), &*was.model, None, &ModelCard::default()).unwrap();
        let read = |path: &Path| -> Map<String, Value> {
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
        };
        let saved = Weights::open(dir.path()).unwrap();
        let shapes: Map<String, Value> =
            saved.names().map(|n| (n.to_owned(), json!(saved.shape(n).unwrap()))).collect();
        assert_eq!(shapes, read(&folder(name).join("keys.json")), "{name}");
        let is = read(&dir.path().join("config.json"));
        for (key, value) in read(&folder(name).join("config.json")) {
            assert_eq!(is.get(&key), Some(&value), "{name}: {key}");
        }
        let again = found(dir.path());
        for (parameter, tensor) in was.model.params().iter() {
            assert!(again.model.params().get(parameter).unwrap().equal(tensor), "{name}");
        }
    }
}

/// A pretrained folder is loaded for fine-tuning: only the head has the initial values of a new model.
#[test]
fn a_head_that_a_folder_lacks_starts_anew_or_is_missed_by_name() {
    let no_pooler = &["bert.pooler.dense.weight", "bert.pooler.dense.bias"][..];
    for (name, kind, new, pooler) in [
        ("bert/plain", SEQUENCE, "classifier", no_pooler),
        ("bert/relu", SEQUENCE, "classifier", &[]),
        ("bert/plain", HeadKind::TokenClassification, "classifier", &[]),
        ("bert/plain", HeadKind::Span, "qa_outputs", &[]),
        ("causal/gpt2", SEQUENCE, "score", &[]),
        ("causal/llama-odd", SEQUENCE, "score", &[]),
        ("causal/gpt2", HeadKind::TokenClassification, "classifier", &[]),
        ("causal/llama-odd", HeadKind::TokenClassification, "score", &[]),
        ("causal/llama-odd", HeadKind::Span, "qa_outputs", &[]),
    ] {
        let config = json!({"id2label": {"0": "a", "1": "b", "2": "c", "3": "d"}});
        let options = LoadOptions {
            head: LoadHead::New(kind),
            config: config.as_object().unwrap().clone(),
            ..LoadOptions::new(Device::Cpu)
        };
        let loaded = open(&golden(name), &options).unwrap();
        let mut expected: Vec<String> = pooler.iter().map(|name| (*name).to_owned()).collect();
        expected.push(format!("{new}.weight"));
        if new != "score" || kind == HeadKind::TokenClassification {
            expected.push(format!("{new}.bias"));
        }
        expected.sort();
        let mut missing = loaded.report.missing.clone();
        missing.sort();
        assert_eq!(missing, expected, "{name} {kind}");
        let outputs = if kind == HeadKind::Span { 2 } else { 4 };
        assert_eq!(loaded.model.head(kind).unwrap().num_outputs(), outputs, "{name} {kind}");
        assert_eq!(loaded.model.config()["id2label"], config["id2label"]);
        let weight = loaded.model.params().get(&format!("{new}.weight")).unwrap();
        assert!(weight.std(true).double_value(&[]) > 0.0, "{name} {kind}");

        let options = LoadOptions { head: LoadHead::Needed(kind), ..LoadOptions::new(Device::Cpu) };
        let error = open(&golden(name), &options).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(&kind.to_string()) && error.contains(new), "{error}");
    }
}

#[test]
fn what_a_task_head_lacks_is_told() {
    // An encoder whose config names a task head is loaded as an encoder, and the missing parameters are listed.
    let dir = altered("heads/token", |content| content.drop("classifier.bias"));
    let loaded = found(dir.path());
    assert_eq!(loaded.model.config()["architectures"], json!(["BertModel"]));
    assert_eq!(loaded.absent, ["classifier.bias"]);
    let error = loaded.model.head(HeadKind::TokenClassification).map(|_| ()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("`BertModel`")
            && error.contains("token-classification head (BertForTokenClassification has one)"),
        "{error}"
    );
    // Names that do not fit the weights.
    let dir =
        altered("heads/token", |content| content.set("id2label", json!({"0": "a", "1": "b"})));
    let error = open(dir.path(), &LoadOptions::new(Device::Cpu)).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("classifier.weight"), "{error}");
    let dir = altered("heads/token", |content| content.set("id2label", json!({"1": "a"})));
    let error = open(dir.path(), &LoadOptions::new(Device::Cpu)).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("config.json: id2label"), "{error}");
    // If two keys disagree, one is used and the other is reported.
    let dir = altered("heads/token", |content| content.set("num_labels", 7));
    let loaded = found(dir.path());
    let unused: Vec<&str> = loaded.unused.of(UnusedKind::ConfigKey).collect();
    assert!(unused.len() == 1 && unused[0].contains("num_labels"), "{unused:?}");
    // Saved again, the size would make transformers build another head.
    assert_eq!(loaded.model.config().get("num_labels"), None);
    // The head of another task is not taken for that of this one, although the tensors have one name and fit.
    let head = LoadHead::New(HeadKind::SequenceClassification);
    let loaded =
        open(&folder("token"), &LoadOptions { head, ..LoadOptions::new(Device::Cpu) }).unwrap();
    assert!(
        loaded.report.missing.iter().any(|name| name == "classifier.weight"),
        "{:?}",
        loaded.report
    );
    let head = LoadHead::Needed(HeadKind::SequenceClassification);
    let options = LoadOptions { head, ..LoadOptions::new(Device::Cpu) };
    let error = open(&folder("token"), &options).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("sequence-classification head"), "{error}");
    // A kind of head that no model of this type has.
    let head = LoadHead::New(HeadKind::SentencePair);
    let options = LoadOptions { head, ..LoadOptions::new(Device::Cpu) };
    let error = open(&golden("causal/gpt2"), &options).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("`gpt2` model has no sentence-pair head"), "{error}");
    // The architecture that a caller names needs all of its parameters.
    let error = load(
        &golden("bert/plain"),
        Some("BertForTokenClassification"),
        Device::Cpu,
        &Allow::default(),
    );
    let error = error.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("missing: classifier."), "{error}");
}
