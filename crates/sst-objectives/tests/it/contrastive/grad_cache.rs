//! Compares batches that are encoded in chunks with batches that are encoded at once.

use serde_json::{Value, json};
use sst_core::Batch;
use sst_data::{Example, Field, SeqRng};
use tch::{Device, Kind, Tensor};

use super::{add_gradients, batch, objective, run};
use crate::toy;

/// Configurations with different parameters of the objective's own: none, and projection with temperature.
fn own_params_configs() -> [Value; 3] {
    [
        json!({}),
        json!({"learn_temperature": true, "projection": "mlp", "projection_size": 12}),
        json!({"learn_temperature": true, "projection": "tanh"}),
    ]
}

/// `base` with the keys of `added`.
fn merge(mut base: Value, added: &Value) -> Value {
    base.as_object_mut().unwrap().extend(added.as_object().unwrap().clone());
    base
}

fn norm(grad: &Tensor) -> f64 {
    grad.norm().double_value(&[])
}

/// How far two sets of gradients differ.
struct Distance {
    /// The largest norm of a difference, divided by the largest norm of a gradient.
    relative_to_largest: f64,
    /// The largest norm of a difference, divided by the norm of the same gradient. Leaves out gradients that are only
    /// rounding errors.
    relative_to_itself: f64,
}

fn distance(got: &[(String, Tensor)], want: &[(String, Tensor)]) -> Distance {
    let names = |grads: &[(String, Tensor)]| -> Vec<String> {
        grads.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(got), names(want));
    assert!(!want.is_empty());
    let largest = want.iter().map(|(_, grad)| norm(grad)).fold(0.0, f64::max);
    let mut distance = Distance { relative_to_largest: 0.0, relative_to_itself: 0.0 };
    for ((_, got), (_, want)) in got.iter().zip(want) {
        let difference = norm(&(got - want));
        distance.relative_to_largest = distance.relative_to_largest.max(difference / largest);
        if norm(want) > 1e-4 * largest {
            distance.relative_to_itself = distance.relative_to_itself.max(difference / norm(want));
        }
    }
    distance
}

#[test]
fn chunks_give_the_loss_and_the_gradients_of_the_whole_batch() {
    let vocab = toy::tokenizer().vocab_size();
    for name in ["simcse", "nt_xent", "moco"] {
        for padding_free in [false, true] {
            for (pooling, own_params) in ["cls", "mean", "max"].iter().zip(own_params_configs()) {
                let model = toy::sentence_encoder(vocab, 0.0);
                let config = |chunk: u64| {
                    let base = json!({"pooling": pooling, "chunk_rows": chunk, "temperature": 0.2});
                    merge(base, &own_params)
                };
                let whole = objective(name, &config(0), padding_free);
                let batch = batch(&*whole, 0, 24);
                let (want, want_grads) = run(&*whole, &*model, &batch);
                let chunked = objective(name, &config(7), padding_free);
                let (got, grads) = run(&*chunked, &*model, &batch);
                let case = format!("{name}, {own_params}, padding_free = {padding_free}");
                assert!((got - want).abs() < 1e-5 * want, "{case}: {got} {want}");
                let has = |key: &str| grads.iter().any(|(name, _)| name.contains(key));
                let has_own_params = own_params.get("projection").is_some();
                assert!(has("objective.log_scale") == has_own_params, "{case}");
                assert!(has("objective.projection.dense.weight") == has_own_params, "{case}");
                let distance = distance(&grads, &want_grads).relative_to_largest;
                assert!(distance <= 1e-5, "{case}: {distance}");
            }
        }
    }
}

/// 512 different texts of 6 to 40 tokens, with their partners.
fn many() -> Vec<Example> {
    let tokenizer = toy::tokenizer();
    let special = &tokenizer.special().all;
    let ordinary: Vec<u32> =
        (0..tokenizer.vocab_size() as u32).filter(|id| !special.contains(id)).collect();
    let mut examples = toy::rows(&tokenizer, 512);
    for (i, example) in (0..).zip(&mut examples) {
        let mut rng = SeqRng::new(4, "test.many", 0, i);
        for field in ["input_ids", "input_ids.1"] {
            let length = 6 + rng.below(35);
            let ids = (0..length).map(|_| ordinary[rng.below(ordinary.len() as u64) as usize]);
            example.fields.insert(field.into(), Field::Tokens(ids.collect()));
        }
    }
    examples
}

/// A batch of a realistic size.
#[test]
fn a_batch_of_512_in_chunks_of_16_has_the_gradients_of_the_whole_batch() {
    let vocab = toy::tokenizer().vocab_size();
    for (name, own_params) in ["simcse", "nt_xent", "pairs"].iter().zip(own_params_configs()) {
        let model = toy::sentence_encoder(vocab, 0.0);
        let config = |chunk: u64| merge(json!({"chunk_rows": chunk}), &own_params);
        let whole = objective(name, &config(0), true);
        let host = whole.collate().collate(&many(), 1).unwrap();
        let batch = Batch::from_host(&host, Device::Cpu).unwrap();
        assert_eq!(batch.rows.as_ref().unwrap().num_rows(), 1024);
        let (want, want_grads) = run(&*whole, &*model, &batch);
        let (got, grads) = run(&*objective(name, &config(16), true), &*model, &batch);
        assert!((got - want).abs() < 1e-5 * want, "{name}: {got} {want}");
        let Distance { relative_to_largest, relative_to_itself } = distance(&grads, &want_grads);
        println!(
            "{name}: {relative_to_largest:.1e} of the largest gradient, {relative_to_itself:.1e} of the gradient itself"
        );
        assert!(relative_to_largest <= 1e-5, "{name}: {relative_to_largest} of the largest");
        assert!(relative_to_itself <= 1e-5, "{name}: {relative_to_itself} of the gradient itself");
    }
}

/// If the encoder is frozen, the projection and the temperature still get their gradients.
#[test]
fn chunks_train_a_projection_on_a_frozen_encoder() {
    let mut model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    model.params_mut().set_trainable(false, |_| true).unwrap();
    let config = |chunk: u64| merge(json!({"chunk_rows": chunk}), &own_params_configs()[1]);
    let whole = objective("nt_xent", &config(0), true);
    let batch = batch(&*whole, 0, 20);
    let (_, want) = run(&*whole, &*model, &batch);
    let (_, got) = run(&*objective("nt_xent", &config(6), true), &*model, &batch);
    assert_eq!(want.len(), 5, "two weights, two biases and the temperature");
    assert!(distance(&got, &want).relative_to_largest <= 1e-5);
}

/// Both passes over a chunk must use the same dropout masks; otherwise the gradients would belong to another loss.
#[test]
fn both_passes_over_a_chunk_use_the_same_dropout() {
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.3);
    for own_params in own_params_configs() {
        let config = merge(json!({"chunk_rows": 8, "temperature": 0.5}), &own_params);
        let simcse = objective("simcse", &config, true);
        let batch = batch(&*simcse, 0, 16);
        let (_, grads) = run(&*simcse, &*model, &batch);
        // Compares the squared norm of the gradient with the finite difference of the loss along the gradient. Every run
        // seeds dropout with the same number.
        let squared_norm: f64 =
            grads.iter().map(|(_, g)| g.square().sum(Kind::Double).double_value(&[])).sum();
        let loss_at = |factor: f64| {
            add_gradients(&*simcse, &*model, &grads, factor);
            let (loss, _) = run(&*simcse, &*model, &batch);
            add_gradients(&*simcse, &*model, &grads, -factor);
            loss
        };
        let step = 1e-3 / squared_norm.sqrt();
        let slope = (loss_at(step) - loss_at(-step)) / (2.0 * step);
        // The gradients are those of three times the loss.
        assert!(
            (3.0 * slope - squared_norm).abs() < 0.02 * squared_norm,
            "{own_params}: {slope} {squared_norm}"
        );
    }
}
