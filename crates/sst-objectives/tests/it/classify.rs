//! Compares `classify` with transformers and with a closed form.

use std::path::Path;

use serde_json::json;
use sst_core::checkpoint::Weights;
use sst_core::{Batch, Forward, HeadKind, Model, StepContext};
use sst_data::{Example, Field, Key};
use sst_models::{LoadOptions, open};
use sst_objectives::build;
use tch::{Device, Kind, Tensor};

use crate::toy;

const CONTEXT: StepContext = StepContext { step: 0, micro: 0, forward: Forward::TRAIN };

/// The rows of a golden case with their labels, without padding.
fn examples(case: &Weights) -> Vec<Example> {
    let get = |name: &str| case.tensor(name).unwrap();
    let (ids, mask, labels) = (get("input_ids"), get("attention_mask"), get("labels"));
    (0..ids.size()[0])
        .map(|row| {
            let length = mask.get(row).sum(Kind::Int64).int64_value(&[]);
            let ids = Vec::<i64>::try_from(ids.get(row).narrow(0, 0, length)).unwrap();
            let ids = ids.into_iter().map(|id| id as u32).collect();
            let key = Key::new("golden", row as u64 + 1);
            let mut example = Example::new(key, row as u64, "input_ids", Field::Tokens(ids));
            example.fields.insert("label".into(), Field::Int(labels.int64_value(&[row])));
            example
        })
        .collect()
}

fn loss(model: &dyn Model, examples: &[Example], padding_free: bool, smoothing: f64) -> Tensor {
    let tokenizer = toy::tokenizer();
    let context = toy::context(&tokenizer, padding_free);
    let config = json!({"label_smoothing": smoothing});
    let objective = build("classify", &config, &context).unwrap();
    let host = objective.collate().collate(examples, 1).unwrap();
    let batch = Batch::from_host(&host, Device::Cpu).unwrap();
    let parts = objective.loss(model, &batch, &CONTEXT).unwrap();
    let correct = parts.sums.iter().find(|(name, _)| *name == "correct").unwrap().1.shallow_clone();
    let expected = logits(model, &batch).argmax(-1, false).eq_tensor(batch.get("labels").unwrap());
    assert_eq!(correct.double_value(&[]), expected.sum(Kind::Double).double_value(&[]));
    parts.loss
}

fn logits(model: &dyn Model, batch: &Batch) -> Tensor {
    let head = model.head(HeadKind::SequenceClassification).unwrap();
    let input = sst_core::Tokens::from_batch(batch).unwrap();
    let output = model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap();
    head.logits(&output.select(head.input(), input.input_ids).unwrap(), Forward::EVAL).unwrap()
}

#[test]
fn loss_and_gradients_equal_those_of_transformers() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/heads");
    for (name, padding_free) in [("sequence", false), ("sequence", true), ("gpt2", true)] {
        let folder = goldens.join(name);
        let case = Weights::open(&folder.join("case.safetensors")).unwrap();
        let model = open(&folder, &LoadOptions::new(Device::Cpu)).unwrap().model;
        let examples = examples(&case);
        // The golden loss of transformers is the mean over rows.
        let mean = loss(&*model, &examples, padding_free, 0.0) / examples.len() as f64;
        let want = case.tensor("loss").unwrap().double_value(&[]);
        let got = mean.double_value(&[]);
        assert!((got - want).abs() < 1e-5 * want, "{name}: {got} {want}");
        mean.backward();
        let mut compared = 0;
        for (parameter, tensor) in model.params().trainable() {
            let Ok(want) = case.tensor(&format!("grad.{parameter}")) else { continue };
            let size = want.norm().double_value(&[]);
            let difference = (tensor.grad() - &want).norm().double_value(&[]);
            // The exact gradient of the key projection's bias is 0, so only rounding errors are left of it.
            let tolerance = 1e-5 * size.max(1e-2);
            assert!(difference <= tolerance, "{name}: {parameter}: {difference} of {size}");
            compared += 1;
        }
        assert!(compared > 20, "{name}: {compared}");
    }
}

#[test]
fn label_smoothing_spreads_a_part_of_the_target_over_all_classes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/heads/sequence");
    let case = Weights::open(&folder.join("case.safetensors")).unwrap();
    let model = open(&folder, &LoadOptions::new(Device::Cpu)).unwrap().model;
    let got = loss(&*model, &examples(&case), false, 0.3).double_value(&[]);
    let log_p = case.tensor("logits").unwrap().log_softmax(-1, Kind::Double);
    let labels = case.tensor("labels").unwrap();
    let label_term = log_p.gather(1, &labels.unsqueeze(1), false).sum(Kind::Double);
    let uniform_term = log_p.mean_dim(&[1_i64][..], false, Kind::Double).sum(Kind::Double);
    let want = -(label_term * 0.7 + uniform_term * 0.3).double_value(&[]);
    assert!((got - want).abs() < 1e-5 * want, "{got} {want}");
}

#[test]
fn a_missing_label_and_a_missing_head_are_errors() {
    let tokenizer = toy::tokenizer();
    let context = toy::context(&tokenizer, true);
    let objective = build("classify", &json!({}), &context).unwrap();
    let mut examples = toy::rows(&tokenizer, 2);
    let host = objective.collate().collate(&examples, 1).unwrap();
    let batch = Batch::from_host(&host, Device::Cpu).unwrap();
    let model = toy::model(tokenizer.vocab_size());
    let error = objective.loss(&*model, &batch, &CONTEXT).unwrap_err().to_string();
    assert!(error.contains("BertForSequenceClassification"), "{error}");
    examples[1].fields.remove("label");
    let error = objective.collate().collate(&examples, 1).unwrap_err().to_string();
    assert!(error.contains("toy.txt:2") && error.contains("label"), "{error}");
    let invalid = build("classify", &json!({"label_smoothing": 1.5}), &context).err().unwrap();
    assert!(invalid.to_string().contains("label_smoothing"), "{invalid}");
}
