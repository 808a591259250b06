//! The projection head.

use serde_json::json;
use sst_core::nn::Pooling;
use sst_core::{Forward, Objective, Tokens};
use sst_objectives::{ObjectiveError, build};
use tch::{Kind, Tensor};

use super::{Matrix, batch, cross_entropy, matrix, objective, param, run};
use crate::toy;

const TEMPERATURE: f64 = 0.2;

/// The projection's parameters in fp64, in the order of their creation: weight and bias of each layer.
fn weights(objective: &dyn Objective) -> Vec<Matrix> {
    let all = objective.params().unwrap().iter();
    let rows = |x: &Tensor| if x.dim() == 1 { x.unsqueeze(0) } else { x.shallow_clone() };
    all.map(|(_, tensor)| matrix(&rows(tensor))).collect()
}

/// A linear layer.
fn linear(x: &Matrix, weight: &Matrix, bias: &Matrix) -> Matrix {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let row = |x: &Vec<f64>| weight.iter().zip(&bias[0]).map(|(w, b)| dot(x, w) + b).collect();
    x.iter().map(row).collect()
}

fn map(x: Matrix, f: impl Fn(f64) -> f64 + Copy) -> Matrix {
    x.into_iter().map(|row| row.into_iter().map(f).collect()).collect()
}

fn project(kind: &str, x: &Matrix, weights: &[Matrix]) -> Matrix {
    let dense = linear(x, &weights[0], &weights[1]);
    match kind {
        "linear" => dense,
        "tanh" => map(dense, f64::tanh),
        _ => linear(&map(dense, |x| x.max(0.0)), &weights[2], &weights[3]),
    }
}

#[test]
fn losses_and_gradients_are_those_of_the_formulas() {
    const STEP: f64 = 1e-5;
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    for (kind, size) in [("linear", 9), ("tanh", 0), ("mlp", 9), ("mlp", 0)] {
        let config =
            json!({"temperature": TEMPERATURE, "projection": kind, "projection_size": size});
        let nt_xent = objective("nt_xent", &config, true);
        let batch = batch(&*nt_xent, 0, 6);
        let input = Tokens::from_batch(&batch).unwrap();
        let hidden = tch::no_grad(|| {
            model.text_encoder().unwrap().encode(input.into(), Forward::TRAIN).unwrap().hidden_bld
        });
        let vectors = matrix(&Pooling::Mean.apply(&hidden, batch.rows.as_ref().unwrap()).unwrap());
        let weights = weights(&*nt_xent);
        let output_size = if size == 0 { toy::WIDTH as usize } else { size };
        assert_eq!(weights[weights.len() - 2].len(), output_size, "{kind}");
        let loss_with = |weights: &[Matrix]| {
            let all = project(kind, &vectors, weights);
            cross_entropy(&all, &all, TEMPERATURE, |i| (i + 6) % 12, |i, k| i != k)
        };
        let (loss, grads) = run(&*nt_xent, &*model, &batch);
        let want = loss_with(&weights);
        assert!((loss - want).abs() < 1e-5 * want, "{kind}: {loss} {want}");
        let projection_grads: Vec<_> =
            grads.iter().filter(|(name, _)| name.starts_with("objective.")).collect();
        assert_eq!(projection_grads.len(), weights.len());
        for (number, (name, grad)) in projection_grads.into_iter().enumerate() {
            let grad = Vec::<f32>::try_from(grad.flatten(0, -1)).unwrap();
            let width = weights[number][0].len();
            for at in (0..grad.len()).step_by(1 + grad.len() / 40) {
                let loss_with_step = |step: f64| {
                    let mut weights = weights.clone();
                    weights[number][at / width][at % width] += step;
                    loss_with(&weights)
                };
                // The gradients are those of three times the loss.
                let want = 3.0 * (loss_with_step(STEP) - loss_with_step(-STEP)) / (2.0 * STEP);
                let difference = (f64::from(grad[at]) - want).abs();
                assert!(difference < 2e-5, "{kind} {name} {at}: {} {want}", grad[at]);
            }
        }
    }
}

#[test]
fn gradients_reach_the_encoder_through_the_projection() {
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    let plain = objective("nt_xent", &json!({}), true);
    let batch = batch(&*plain, 0, 6);
    let name = "bert.encoder.layer.0.output.dense.weight";
    let gradient = |config| {
        let (_, grads) = run(&*objective("nt_xent", &config, true), &*model, &batch);
        grads.into_iter().find(|(grad_name, _)| grad_name == name).unwrap().1
    };
    let without_projection = gradient(json!({}));
    let with_projection = gradient(json!({"projection": "mlp"}));
    assert!(with_projection.norm().double_value(&[]) > 0.0);
    assert!(!with_projection.equal(&without_projection));
}

#[test]
fn weights_are_drawn_from_the_seed_with_a_deviation_that_keeps_the_variance() {
    let tokenizer = toy::tokenizer();
    let drawn = |seed: u64| {
        let mut context = toy::context(&tokenizer, true);
        (context.seed, context.hidden_size) = (seed, 256);
        let config = json!({"projection": "mlp", "projection_size": 128});
        let objective = build("simcse", &config, &context).unwrap();
        ["projection.dense.weight", "projection.output.weight", "projection.output.bias"]
            .map(|name| param(&*objective, name))
    };
    let [dense, output, bias] = drawn(1);
    assert_eq!((dense.size(), output.size()), (vec![256, 256], vec![128, 256]));
    for weight in [&dense, &output] {
        let std = weight.std(true).double_value(&[]);
        assert!((std - 1.0 / 16.0).abs() < 0.001, "{std}");
    }
    assert_eq!(bias.abs().sum(Kind::Float).double_value(&[]), 0.0);
    assert!(drawn(1)[0].equal(&dense) && !drawn(2)[0].equal(&dense));
}

#[test]
fn errors_about_invalid_keys_name_the_key() {
    let tokenizer = toy::tokenizer();
    let context = toy::context(&tokenizer, true);
    for name in ["simcse", "nt_xent", "moco", "pairs"] {
        for (config, key, reason) in [
            (json!({"projection_size": 8}), "projection_size", "is for a projection"),
            (json!({"projection": "relu"}), "projection", "unknown variant"),
            (json!({"projection_size": -1, "projection": "mlp"}), "projection_size", "-1"),
            (json!({"temperature": 0.0}), "temperature", "must be above 0"),
            (json!({"temperature": 0.005, "learn_temperature": true}), "temperature", "0.01"),
            (json!({"learn_temperature": 1}), "learn_temperature", "invalid type"),
            (json!({"temperatur": 0.1}), "temperatur", "unknown field"),
        ] {
            match build(name, &config, &context).map(|_| ()) {
                Err(ObjectiveError::Config { path, message }) => {
                    assert!(path == key && message.contains(reason), "{name}: {path}: {message}");
                }
                other => panic!("{name} {config}: {other:?}"),
            }
        }
    }
}
