//! Batches in chunks against the whole.

use serde_json::{Value, json};
use sst_core::Batch;
use sst_data::{Example, Field, SeqRng};
use tch::{Device, Kind, Tensor};

use super::{batch, objective, run, walk};
use crate::toy;

/// All that trains beside the model.
fn own_keys() -> [Value; 3] {
    [
        json!({}),
        json!({"learn_temperature": true, "projection": "mlp", "projection_size": 12}),
        json!({"learn_temperature": true, "projection": "tanh"}),
    ]
}

/// `base` with the keys of `more`.
fn with(mut base: Value, more: &Value) -> Value {
    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    base
}

fn size(grad: &Tensor) -> f64 {
    grad.norm().double_value(&[])
}

/// The largest distance between gradients of one name, over the size of the largest gradient; and over its own size,
/// for those that are not zero but for rounding.
fn distance(found: &[(String, Tensor)], want: &[(String, Tensor)]) -> (f64, f64) {
    let names = |grads: &[(String, Tensor)]| -> Vec<String> {
        grads.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(found), names(want));
    assert!(!want.is_empty());
    let largest = want.iter().map(|(_, grad)| size(grad)).fold(0.0, f64::max);
    let (mut of_largest, mut of_own) = (0.0_f64, 0.0_f64);
    for ((_, found), (_, want)) in found.iter().zip(want) {
        let off = size(&(found - want));
        of_largest = of_largest.max(off / largest);
        if size(want) > 1e-4 * largest {
            of_own = of_own.max(off / size(want));
        }
    }
    (of_largest, of_own)
}

#[test]
fn chunks_give_the_loss_and_the_gradients_of_the_whole() {
    let vocab = toy::tokenizer().vocab_size();
    for name in ["simcse", "nt_xent", "moco"] {
        for padding_free in [false, true] {
            for (pooling, own) in ["cls", "mean", "max"].iter().zip(own_keys()) {
                let model = toy::sentence_encoder(vocab, 0.0);
                let config = |chunk: u64| {
                    let base = json!({"pooling": pooling, "chunk_rows": chunk, "temperature": 0.2});
                    with(base, &own)
                };
                let whole = objective(name, &config(0), padding_free);
                let batch = batch(&*whole, 0, 24);
                let (want, want_grads) = run(&*whole, &*model, &batch);
                let chunked = objective(name, &config(7), padding_free);
                let (found, grads) = run(&*chunked, &*model, &batch);
                let case = format!("{name}, {own}, padding_free = {padding_free}");
                assert!((found - want).abs() < 1e-5 * want, "{case}: {found} {want}");
                let has = |key: &str| grads.iter().any(|(name, _)| name.contains(key));
                let trains = own.get("projection").is_some();
                assert!(has("objective.log_scale") == trains, "{case}");
                assert!(has("objective.projection.dense.weight") == trains, "{case}");
                let (of_largest, _) = distance(&grads, &want_grads);
                assert!(of_largest <= 1e-5, "{case}: {of_largest}");
            }
        }
    }
}

/// 512 texts of 6 to 40 tokens, no two alike, with their partners.
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

/// At the size that it is for: 512 texts, 16 rows at a time.
#[test]
fn a_batch_of_512_in_chunks_of_16_has_the_gradients_of_the_whole() {
    let vocab = toy::tokenizer().vocab_size();
    for (name, own) in ["simcse", "nt_xent", "pairs"].iter().zip(own_keys()) {
        let model = toy::sentence_encoder(vocab, 0.0);
        let config = |chunk: u64| with(json!({"chunk_rows": chunk}), &own);
        let whole = objective(name, &config(0), true);
        let host = whole.collate().collate(&many(), 1).unwrap();
        let batch = Batch::from_host(&host, Device::Cpu).unwrap();
        assert_eq!(batch.rows.as_ref().unwrap().num_rows(), 1024);
        let (want, want_grads) = run(&*whole, &*model, &batch);
        let (found, grads) = run(&*objective(name, &config(16), true), &*model, &batch);
        assert!((found - want).abs() < 1e-5 * want, "{name}: {found} {want}");
        let (of_largest, of_own) = distance(&grads, &want_grads);
        println!("{name}: {of_largest:.1e} of the largest gradient, {of_own:.1e} of its own");
        assert!(of_largest <= 1e-5, "{name}: {of_largest} of the largest");
        assert!(of_own <= 1e-5, "{name}: {of_own} of its own");
    }
}

/// Where the encoder is frozen, what is beside it trains.
#[test]
fn chunks_train_a_head_on_a_frozen_encoder() {
    let mut model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    model.params_mut().set_trainable(false, |_| true).unwrap();
    let config = |chunk: u64| with(json!({"chunk_rows": chunk}), &own_keys()[1]);
    let whole = objective("nt_xent", &config(0), true);
    let batch = batch(&*whole, 0, 20);
    let (_, want) = run(&*whole, &*model, &batch);
    let (_, found) = run(&*objective("nt_xent", &config(6), true), &*model, &batch);
    assert_eq!(want.len(), 5, "two layers and the temperature");
    assert!(distance(&found, &want).0 <= 1e-5);
}

/// The second pass must see the dropout of the first, or gradients would belong to another loss.
#[test]
fn chunks_see_the_same_dropout_twice() {
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.3);
    for own in own_keys() {
        let config = with(json!({"chunk_rows": 8, "temperature": 0.5}), &own);
        let simcse = objective("simcse", &config, true);
        let batch = batch(&*simcse, 0, 16);
        let (_, grads) = run(&*simcse, &*model, &batch);
        // Against the difference of the loss along the gradient, whose dropout is seeded alike.
        let length: f64 =
            grads.iter().map(|(_, g)| g.square().sum(Kind::Double).double_value(&[])).sum();
        let at = |by: f64| {
            walk(&*simcse, &*model, &grads, by);
            let (loss, _) = run(&*simcse, &*model, &batch);
            walk(&*simcse, &*model, &grads, -by);
            loss
        };
        let step = 1e-3 / length.sqrt();
        let slope = (at(step) - at(-step)) / (2.0 * step);
        // The gradients are of three times the loss.
        assert!((3.0 * slope - length).abs() < 0.02 * length, "{own}: {slope} {length}");
    }
}
