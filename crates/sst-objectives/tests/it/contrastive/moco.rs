//! The memory of MoCo against its formulas.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sst_core::{Batch, Objective};
use tch::{Kind, Tensor};

use super::{batch, objective, param, params, run, walk};
use crate::toy;

/// Without a head, and with one that trains beside a temperature.
fn configs() -> [Value; 2] {
    [
        json!({"queue_size": 10, "momentum": 0.9}),
        json!({
            "queue_size": 10, "momentum": 0.9, "chunk_rows": 3, "learn_temperature": true,
            "projection": "mlp", "projection_size": 6,
        }),
    ]
}

/// The keys of a batch by the momentum encoder as `moco` has it now, each of length one.
fn keys(moco: &dyn Objective, batch: &Batch, texts: usize) -> Vec<Vec<f32>> {
    let mut encoder = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    let mut head = BTreeMap::new();
    for (name, tensor) in moco.state().unwrap() {
        let Some(name) = name.strip_prefix("momentum.") else { continue };
        match name.strip_prefix("objective.projection.") {
            Some(own) => drop(head.insert(own.to_owned(), tensor)),
            None => encoder.params_mut().assign(name, &tensor).unwrap(),
        }
    }
    let project = |vectors: Tensor| {
        if head.is_empty() {
            return vectors;
        }
        let layer = |x: &Tensor, name: &str| {
            x.matmul(&head[&format!("{name}.weight")].tr()) + &head[&format!("{name}.bias")]
        };
        layer(&layer(&vectors, "dense").relu(), "output")
    };
    let vectors = tch::no_grad(|| project(toy::first_vectors(&*encoder, batch)));
    let norms = vectors.norm_scalaropt_dim(2.0, [1_i64].as_slice(), true);
    let all = Vec::<Vec<f32>>::try_from(vectors / norms).unwrap();
    all[all.len() - texts..].to_vec()
}

/// An objective like `moco` with its parameters and its state, as a resume makes it.
fn resumed(moco: &dyn Objective, config: &Value) -> Box<dyn Objective> {
    let mut new = objective("moco", config, true);
    for (name, saved) in moco.params().unwrap().iter() {
        tch::no_grad(|| param(&*new, name).f_copy_(saved).unwrap());
    }
    new.load_state(moco.state().unwrap()).unwrap();
    new
}

#[test]
fn the_queue_holds_the_last_keys_also_after_a_resume() {
    for config in configs() {
        let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
        let mut moco = objective("moco", &config, true);
        let width = if config.get("projection").is_some() { 6 } else { toy::WIDTH };
        let mut all: Vec<Vec<f32>> = Vec::new();
        for step in 0..5 {
            let batch = batch(&*moco, 4 * step, 4);
            if step == 0 {
                // It begins with the first loss.
                run(&*moco, &*model, &batch);
            }
            all.extend(keys(&*moco, &batch, 4));
            let (_, grads) = run(&*moco, &*model, &batch);
            walk(&*moco, &*model, &grads, -0.1);
            tch::no_grad(|| moco.after_update(&*model, step).unwrap());
            let queue = &moco.state().unwrap()["queue"];
            let want = &all[all.len().saturating_sub(10)..];
            assert_eq!(queue.size(), [want.len() as i64, width]);
            let found = Vec::<f32>::try_from(queue.flatten(0, -1)).unwrap();
            let off = found.iter().zip(want.iter().flatten()).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f32::max) < 1e-6, "step {step}");
            moco = resumed(&*moco, &config);
        }
        let mut small = objective("moco", &json!({"queue_size": 9}), true);
        let error = small.load_state(moco.state().unwrap()).unwrap_err().to_string();
        assert!(error.contains("10 keys") && error.contains("queue_size is 9"), "{error}");
    }
}

#[test]
fn the_momentum_encoder_is_the_formula_to_the_last_bit() {
    let numbers = |x: &Tensor| Vec::<f32>::try_from(x.detach().flatten(0, -1)).unwrap();
    for config in configs() {
        let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
        let mut moco = objective("moco", &config, true);
        // The temperature has no momentum.
        let followed = |moco: &dyn Objective| -> Vec<(String, Vec<f32>)> {
            let all = params(moco, &*model).into_iter();
            let all = all.filter(|(name, _)| name != "objective.log_scale");
            all.map(|(name, tensor)| (name, numbers(&tensor))).collect()
        };
        let mut want = followed(&*moco);
        for step in 0..4 {
            let batch = batch(&*moco, 0, 4);
            let (_, grads) = run(&*moco, &*model, &batch);
            walk(&*moco, &*model, &grads, -0.1);
            tch::no_grad(|| moco.after_update(&*model, step).unwrap());
            for ((_, want), (_, new)) in want.iter_mut().zip(followed(&*moco)) {
                for (want, new) in want.iter_mut().zip(new) {
                    *want = 0.9_f64 as f32 * *want + (1.0 - 0.9_f64) as f32 * new;
                }
            }
            let mut state = moco.state().unwrap();
            state.remove("queue");
            assert_eq!(state.len(), want.len());
            for (name, want) in &want {
                let found = numbers(&state[&format!("momentum.{name}")]);
                let same = found.iter().zip(want).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "step {step}: {name}");
            }
            moco = resumed(&*moco, &config);
        }
        let moved = want.iter().zip(followed(&*moco)).filter(|((_, a), (_, b))| a != b).count();
        assert!(moved > want.len() / 2, "{moved}");
    }
}

/// The weights of the momentum encoder are in the model for as long as it makes its keys, and no longer.
#[test]
fn model_and_head_keep_their_own_weights() {
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    let mut moco = objective("moco", &configs()[1], true);
    let batch = batch(&*moco, 0, 4);
    let (_, grads) = run(&*moco, &*model, &batch);
    walk(&*moco, &*model, &grads, -0.1);
    tch::no_grad(|| moco.after_update(&*model, 0).unwrap());
    let copies = || -> Vec<Tensor> {
        params(&*moco, &*model).iter().map(|(_, tensor)| tensor.detach().copy()).collect()
    };
    let before = copies();
    run(&*moco, &*model, &batch);
    assert!(copies().iter().zip(&before).all(|(a, b)| a.equal(b)));
    let own = param(&*moco, "projection.dense.weight");
    let momentum = &moco.state().unwrap()["momentum.objective.projection.dense.weight"];
    assert!((own - momentum).abs().sum(Kind::Float).double_value(&[]) > 0.0);
}
