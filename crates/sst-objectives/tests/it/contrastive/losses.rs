//! Compares contrastive losses on random vectors, and their gradients, with the formulas in fp64.

use sst_objectives::contrastive::Temperature;
use sst_objectives::contrastive::info_nce::{
    ContrastiveLoss, info_nce, nt_xent, symmetric_info_nce,
};
use tch::Tensor;

use super::{Matrix, cross_entropy, tensor, vectors};

const TEMPERATURE: f64 = 0.1;
const FIXED: Temperature<'_> = Temperature::Fixed(TEMPERATURE);
const STEP: f64 = 1e-5;

/// A loss of two sets of vectors, with its formula in fp64.
struct Case {
    name: &'static str,
    inputs: [Matrix; 2],
    loss: fn(&Tensor, &Tensor, Temperature<'_>) -> ContrastiveLoss,
    formula: fn(&Matrix, &Matrix, f64) -> f64,
}

fn cases() -> [Case; 3] {
    let (left, right) = (vectors(0, 5, 7), vectors(1, 5, 7));
    [
        Case {
            name: "info_nce",
            inputs: [left.clone(), vectors(2, 9, 7)],
            loss: |q, k, t| info_nce(q, k, t, None).unwrap(),
            formula: |q, k, t| cross_entropy(q, k, t, |i| i, |_, _| true),
        },
        Case {
            name: "symmetric_info_nce",
            inputs: [left.clone(), right.clone()],
            loss: |a, b, t| symmetric_info_nce(a, b, t).unwrap(),
            formula: |a, b, t| {
                let one_way = |a, b| cross_entropy(a, b, t, |i| i, |_, _| true);
                (one_way(a, b) + one_way(b, a)) / 2.0
            },
        },
        Case {
            name: "nt_xent",
            inputs: [left, right],
            loss: |a, b, t| nt_xent(a, b, t).unwrap(),
            formula: |a, b, t| {
                let both = [a.clone(), b.clone()].concat();
                cross_entropy(&both, &both, t, |i| (i + 5) % 10, |i, k| i != k)
            },
        },
    ]
}

#[test]
fn losses_and_gradients_are_those_of_the_formulas() {
    for Case { name, inputs, loss, formula } in cases() {
        let tensors = [tensor(&inputs[0]), tensor(&inputs[1])];
        let loss = loss(&tensors[0], &tensors[1], FIXED).loss;
        let want = formula(&inputs[0], &inputs[1], TEMPERATURE);
        let difference = (loss.double_value(&[]) - want).abs();
        assert!(difference < 1e-6 * want.max(1.0), "{name}: {loss} {want}");
        loss.backward();
        for side in 0..2 {
            let grad = Vec::<f32>::try_from(tensors[side].grad().flatten(0, -1)).unwrap();
            let width = inputs[side][0].len();
            for (at, grad) in grad.iter().enumerate() {
                let loss_with_step = |step: f64| {
                    let mut inputs = inputs.clone();
                    inputs[side][at / width][at % width] += step;
                    formula(&inputs[0], &inputs[1], TEMPERATURE)
                };
                let want = (loss_with_step(STEP) - loss_with_step(-STEP)) / (2.0 * STEP);
                let difference = (f64::from(*grad) - want).abs();
                assert!(difference < 2e-6, "{name} {side} {at}: {grad} {want}");
            }
        }
    }
}

#[test]
fn a_learned_temperature_has_the_gradient_of_the_formula() {
    for Case { name, inputs, loss, formula } in cases() {
        for temperature in [0.05, 0.3, 2.0] {
            let log_scale = f64::from((-f64::ln(temperature)) as f32);
            let learned = Tensor::from(log_scale as f32).set_requires_grad(true);
            let tensors = [tensor(&inputs[0]), tensor(&inputs[1])];
            let loss = loss(&tensors[0], &tensors[1], Temperature::Learned(&learned)).loss;
            let loss_at = |log_scale: f64| formula(&inputs[0], &inputs[1], (-log_scale).exp());
            let want = loss_at(log_scale);
            let difference = loss.double_value(&[]) - want;
            assert!(difference.abs() < 1e-6 * want.max(1.0), "{name}: {loss} {want}");
            loss.backward();
            let slope = (loss_at(log_scale + STEP) - loss_at(log_scale - STEP)) / (2.0 * STEP);
            let grad = learned.grad().double_value(&[]);
            assert!((grad - slope).abs() < 2e-6 * slope.abs().max(1.0), "{name}: {grad} {slope}");
        }
    }
}

#[test]
fn wrong_shapes_and_temperatures_are_errors() {
    let (three, two) = (tensor(&vectors(0, 3, 4)), tensor(&vectors(1, 2, 4)));
    let zero = Temperature::Fixed(0.0);
    for (error, expected) in [
        (info_nce(&three, &two, FIXED, None).err(), "3 queries cannot be compared with 2 keys"),
        (info_nce(&two, &three, zero, None).err(), "temperature of 0 is not above 0"),
        (symmetric_info_nce(&three, &two, FIXED).err(), "do not form pairs"),
        (nt_xent(&three, &two, FIXED).err(), "do not form pairs"),
    ] {
        let error = error.unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
