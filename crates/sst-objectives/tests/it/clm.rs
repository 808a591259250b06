//! Causal language modelling: its labels, the closed form of its loss, isolated documents, and the loss in chunks.

use serde_json::{Value, json};
use sst_core::{Batch, Forward, Model, StepContext, Tokens};
use sst_data::{Example, Field, Key, Normalizer};
use sst_objectives::build;
use tch::{Device, Kind, Tensor};

use crate::toy;

const CONTEXT: StepContext = StepContext { step: 0, micro: 0, forward: Forward::TRAIN };

fn example(index: u64, ids: &[u32]) -> Example {
    Example::new(Key::new("a.txt", index + 1), index, "input_ids", Field::Tokens(ids.to_vec()))
}

fn batch(config: &Value, padding_free: bool, rows: &[Example]) -> Batch {
    let tokenizer = toy::tokenizer();
    let context = toy::context(&tokenizer, padding_free);
    let objective = build("clm", config, &context).unwrap();
    let host = objective.collate().collate(rows, 1).unwrap();
    Batch::from_host(&host, Device::Cpu).unwrap()
}

fn labels(batch: &Batch) -> Vec<i64> {
    Vec::<i64>::try_from(batch.get("labels").unwrap().flatten(0, -1)).unwrap()
}

/// The loss of a batch, the other sums, and the gradients of all parameters.
fn run(config: &Value, model: &dyn Model, batch: &Batch) -> (f64, Vec<f64>, Vec<Tensor>) {
    let tokenizer = toy::tokenizer();
    let context = toy::context(&tokenizer, true);
    let objective = build("clm", config, &context).unwrap();
    sst_kernels::reset_gradients(model.params().iter().map(|(_, p)| p)).unwrap();
    let parts = objective.loss(model, batch, &CONTEXT).unwrap();
    // Divides before the backward pass, as the trainer does.
    (&parts.loss / 7.0).f_backward().unwrap();
    let copy = |grad: Tensor| if grad.defined() { grad.copy() } else { grad };
    let grads = model.params().iter().map(|(_, p)| copy(p.grad())).collect();
    let sums = parts.sums.iter().map(|(_, sum)| sum.double_value(&[])).collect();
    (parts.loss.double_value(&[]), sums, grads)
}

#[test]
fn labels_are_the_next_tokens() {
    let rows = [example(0, &[5, 6, 7]), example(1, &[8]), example(2, &[9, 10])];
    let ragged = batch(&json!({}), true, &rows);
    assert_eq!(labels(&ragged), [6, 7, -100, -100, 10, -100]);
    assert_eq!(ragged.normalizer, Normalizer::Count(3));
    let padded = batch(&json!({}), false, &rows);
    assert_eq!(labels(&padded), [6, 7, -100, -100, -100, -100, 10, -100, -100]);
    assert_eq!(padded.normalizer, Normalizer::Count(3));
}

/// A row of two documents. The second document begins with the end-of-text token of the first, so that every token but
/// the last of the row still has a label.
#[test]
fn an_isolated_document_begins_with_the_end_of_text_token_of_the_previous_one() {
    let end = toy::tokenizer().special().sep.unwrap();
    let row = [5, 6, end, 7, 8, 9, end];
    let isolated = batch(&json!({"isolate_documents": true}), true, &[example(0, &row)]);
    assert_eq!(isolated.rows.as_ref().unwrap().offsets(), [0, 2, 6, 7]);
    let end = i64::from(end);
    assert_eq!(labels(&isolated), [6, end, 7, 8, 9, end, -100]);
    assert_eq!(isolated.normalizer, Normalizer::Count(6));

    let model = toy::decoder(toy::tokenizer().vocab_size());
    let hidden = |row: &[u32], isolate: bool| {
        let batch = batch(&json!({"isolate_documents": isolate}), true, &[example(0, row)]);
        let input = Tokens::from_batch(&batch).unwrap();
        model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap().hidden_bld
    };
    // A change in the first document changes the hidden states of the second one, unless documents are isolated.
    let mut changed_row = row;
    changed_row[0] = 20;
    for isolate in [true, false] {
        let second_document = hidden(&row, isolate).narrow(0, 2, 4);
        let is_unchanged = second_document.equal(&hidden(&changed_row, isolate).narrow(0, 2, 4));
        assert_eq!(is_unchanged, isolate, "isolated: {isolate}");
    }
}

#[test]
fn the_loss_is_the_summed_negative_log_probability_of_the_next_tokens() {
    let tokenizer = toy::tokenizer();
    let model = toy::decoder(tokenizer.vocab_size());
    let batch = batch(&json!({}), true, &toy::rows(&tokenizer, 6));
    let config = json!({"z_loss": 0.01});
    let (got, sums, _) = run(&config, &*model, &batch);
    let input = Tokens::from_batch(&batch).unwrap();
    let hidden =
        model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap().hidden_bld;
    let logits =
        model.lm_head().unwrap().logits(&hidden, Forward::EVAL).unwrap().to_kind(Kind::Double);
    let log_p = logits.log_softmax(-1, Kind::Double);
    let (mut want, mut correct, mut z) = (0.0, 0.0, 0.0);
    for (at, label) in (0..).zip(labels(&batch)) {
        if label >= 0 {
            want -= log_p.double_value(&[at, label]);
            z += 0.01 * logits.get(at).logsumexp([0], false).double_value(&[]).powi(2);
            correct += f64::from(log_p.get(at).argmax(-1, false).int64_value(&[]) == label);
        }
    }
    assert!((got - want - z).abs() < 1e-5 * want, "{got} {want} {z}");
    assert_eq!(sums[0], correct);
    assert!((sums[1] - z).abs() < 1e-5 * z, "{} {z}", sums[1]);
}

/// The loss in chunks of 16 tokens has the value and the gradients of the loss of all tokens at once: with and without
/// z-loss, under autocast, and with frozen layers.
#[test]
fn chunks_change_neither_the_loss_nor_the_gradients() {
    let tokenizer = toy::tokenizer();
    let rows = toy::rows(&tokenizer, 12);
    for (z_loss, autocast, freeze, tolerance) in [
        (0.0, false, "", 1e-5),
        (1e-3, false, "", 1e-5),
        (0.0, true, "", 2e-2),
        (0.0, false, "h.", 1e-5),
    ] {
        let mut model = toy::decoder(tokenizer.vocab_size());
        if !freeze.is_empty() {
            let frozen = model.params_mut().set_trainable(false, |name| name.contains(freeze));
            assert!(frozen.unwrap() > 0);
        }
        let _guard =
            autocast.then(|| sst_kernels::autocast(Device::Cpu, Some(Kind::BFloat16)).unwrap());
        let result = |logits_at_once: u64| {
            let config = json!({"z_loss": z_loss, "logits_at_once": logits_at_once});
            let batch = batch(&json!({}), true, &rows);
            run(&config, &*model, &batch)
        };
        let (whole, whole_sums, whole_grads) = result(0);
        let (parts, parts_sums, parts_grads) = result(1);
        assert!((whole - parts).abs() <= 1e-5 * whole, "{whole} {parts}");
        for (whole, parts) in whole_sums.iter().zip(&parts_sums) {
            assert!((whole - parts).abs() <= 1e-5 * whole.abs(), "{whole} {parts}");
        }
        for ((name, _), (whole, parts)) in
            model.params().iter().zip(whole_grads.iter().zip(&parts_grads))
        {
            assert_eq!(whole.defined(), parts.defined(), "{name}");
            if whole.defined() {
                let difference = (whole - parts).norm().double_value(&[]);
                let size = whole.norm().double_value(&[]).max(1e-6);
                assert!(difference <= tolerance * size, "{name}: {difference:e} of {size:e}");
            }
        }
    }
}

#[test]
fn bidirectional_models_and_invalid_keys_are_refused() {
    let tokenizer = toy::tokenizer();
    let model = toy::model(tokenizer.vocab_size());
    let context = toy::context(&tokenizer, true);
    let objective = build("clm", &json!({}), &context).unwrap();
    let batch = batch(&json!({}), true, &toy::rows(&tokenizer, 2));
    let error = objective.loss(&*model, &batch, &CONTEXT).unwrap_err().to_string();
    assert!(error.contains("bert") && error.contains("not causal"), "{error}");
    let padded = toy::context(&tokenizer, false);
    for (config, key) in [
        (json!({"isolate_documents": true}), "isolate_documents: needs `padding_free` = true"),
        (json!({"z_loss": -1.0}), "z_loss"),
    ] {
        let error = build("clm", &config, &padded).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}
