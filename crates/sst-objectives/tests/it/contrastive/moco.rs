//! Compares the queue and the momentum encoder of MoCo with their formulas.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sst_core::{Batch, Objective};
use tch::{Kind, Tensor};

use super::{add_gradients, batch, objective, param, params, run};
use crate::toy;

/// A configuration without parameters of the objective's own, and one with a projection and a learned temperature.
fn configs() -> [Value; 2] {
    [
        json!({"queue_size": 10, "momentum": 0.9}),
        json!({
            "queue_size": 10, "momentum": 0.9, "chunk_rows": 3, "learn_temperature": true,
            "projection": "mlp", "projection_size": 6,
        }),
    ]
}

/// The keys of a batch, computed with the current momentum encoder of `moco` and scaled to length 1.
fn keys(moco: &dyn Objective, batch: &Batch, texts: usize) -> Vec<Vec<f32>> {
    let mut encoder = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    let mut projection = BTreeMap::new();
    for (name, tensor) in moco.state().unwrap() {
        let Some(name) = name.strip_prefix("momentum.") else { continue };
        match name.strip_prefix("objective.projection.") {
            Some(name) => drop(projection.insert(name.to_owned(), tensor)),
            None => encoder.params_mut().assign(name, &tensor).unwrap(),
        }
    }
    let project = |vectors: Tensor| {
        if projection.is_empty() {
            return vectors;
        }
        let layer = |x: &Tensor, name: &str| {
            let weight = &projection[&format!("{name}.weight")];
            x.matmul(&weight.tr()) + &projection[&format!("{name}.bias")]
        };
        layer(&layer(&vectors, "dense").relu(), "output")
    };
    let vectors = tch::no_grad(|| project(toy::first_vectors(&*encoder, batch)));
    let norms = vectors.norm_scalaropt_dim(2.0, [1_i64].as_slice(), true);
    let all = Vec::<Vec<f32>>::try_from(vectors / norms).unwrap();
    all[all.len() - texts..].to_vec()
}

/// A new objective with the parameters and the state of `moco`, as after a resume.
fn resumed(moco: &dyn Objective, config: &Value) -> Box<dyn Objective> {
    let mut new = objective("moco", config, true);
    for (name, saved) in moco.params().unwrap().iter() {
        tch::no_grad(|| param(&*new, name).f_copy_(saved).unwrap());
    }
    new.load_state(moco.state().unwrap()).unwrap();
    new
}

#[test]
fn the_queue_holds_the_newest_keys_also_after_a_resume() {
    for config in configs() {
        let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
        let mut moco = objective("moco", &config, true);
        let width = if config.get("projection").is_some() { 6 } else { toy::WIDTH };
        let mut all: Vec<Vec<f32>> = Vec::new();
        for step in 0..5 {
            let batch = batch(&*moco, 4 * step, 4);
            if step == 0 {
                // The first loss creates the momentum encoder.
                run(&*moco, &*model, &batch);
            }
            all.extend(keys(&*moco, &batch, 4));
            let (_, grads) = run(&*moco, &*model, &batch);
            add_gradients(&*moco, &*model, &grads, -0.1);
            tch::no_grad(|| moco.after_update(&*model, step).unwrap());
            let queue = &moco.state().unwrap()["queue"];
            let want = &all[all.len().saturating_sub(10)..];
            assert_eq!(queue.size(), [want.len() as i64, width]);
            let got = Vec::<f32>::try_from(queue.flatten(0, -1)).unwrap();
            let differences = got.iter().zip(want.iter().flatten()).map(|(a, b)| (a - b).abs());
            assert!(differences.fold(0.0, f32::max) < 1e-6, "step {step}");
            moco = resumed(&*moco, &config);
        }
        let mut small = objective("moco", &json!({"queue_size": 9}), true);
        let error = small.load_state(moco.state().unwrap()).unwrap_err().to_string();
        assert!(error.contains("10 keys") && error.contains("`queue_size` is 9"), "{error}");
    }
}

#[test]
fn the_momentum_encoder_equals_the_formula_bit_for_bit() {
    let numbers = |x: &Tensor| Vec::<f32>::try_from(x.detach().flatten(0, -1)).unwrap();
    for config in configs() {
        let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
        let mut moco = objective("moco", &config, true);
        // The momentum encoder has a copy of every parameter but the temperature.
        let trained = |moco: &dyn Objective| -> Vec<(String, Vec<f32>)> {
            params(moco, &*model)
                .into_iter()
                .filter(|(name, _)| name != "objective.log_scale")
                .map(|(name, tensor)| (name, numbers(&tensor)))
                .collect()
        };
        let mut want = trained(&*moco);
        for step in 0..4 {
            let batch = batch(&*moco, 0, 4);
            let (_, grads) = run(&*moco, &*model, &batch);
            add_gradients(&*moco, &*model, &grads, -0.1);
            tch::no_grad(|| moco.after_update(&*model, step).unwrap());
            for ((_, want), (_, new)) in want.iter_mut().zip(trained(&*moco)) {
                for (want, new) in want.iter_mut().zip(new) {
                    *want = 0.9_f64 as f32 * *want + (1.0 - 0.9_f64) as f32 * new;
                }
            }
            let mut state = moco.state().unwrap();
            state.remove("queue");
            assert_eq!(state.len(), want.len());
            for (name, want) in &want {
                let got = numbers(&state[&format!("momentum.{name}")]);
                let is_equal = got.iter().zip(want).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(is_equal, "step {step}: {name}");
            }
            moco = resumed(&*moco, &config);
        }
        let differing = want.iter().zip(trained(&*moco)).filter(|((_, a), (_, b))| a != b).count();
        assert!(differing > want.len() / 2, "{differing}");
    }
}

/// The model holds the momentum weights only while the keys are computed.
#[test]
fn the_loss_puts_the_trained_weights_back() {
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    let mut moco = objective("moco", &configs()[1], true);
    let batch = batch(&*moco, 0, 4);
    let (_, grads) = run(&*moco, &*model, &batch);
    add_gradients(&*moco, &*model, &grads, -0.1);
    tch::no_grad(|| moco.after_update(&*model, 0).unwrap());
    let copies = || -> Vec<Tensor> {
        params(&*moco, &*model).iter().map(|(_, tensor)| tensor.detach().copy()).collect()
    };
    let before = copies();
    run(&*moco, &*model, &batch);
    assert!(copies().iter().zip(&before).all(|(a, b)| a.equal(b)));
    let trained = param(&*moco, "projection.dense.weight");
    let momentum = &moco.state().unwrap()["momentum.objective.projection.dense.weight"];
    assert!((trained - momentum).abs().sum(Kind::Float).double_value(&[]) > 0.0);
}
