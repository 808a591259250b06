//! Tests of contrastive objectives. Losses are compared with sums in fp64, gradients with finite differences of these
//! sums, the queue and the momentum encoder of MoCo with their formulas, and batches in chunks with whole batches.

mod grad_cache;
mod losses;
mod moco;
mod pairs;
mod projection;
mod temperature;
mod views;

use serde_json::Value;
use sst_core::{Batch, Forward, Model, Objective, StepContext};
use sst_data::{Normalizer, SeqRng};
use sst_objectives::build;
use tch::{Device, Tensor};

use crate::toy;

const CONTEXT: StepContext = StepContext { step: 0, micro: 0, forward: Forward::TRAIN };

type Matrix = Vec<Vec<f64>>;

/// Random vectors whose numbers are exact in fp32.
fn vectors(index: u64, rows: usize, width: usize) -> Matrix {
    let mut rng = SeqRng::new(3, "test.contrastive", 0, index);
    (0..rows).map(|_| (0..width).map(|_| f64::from(rng.normal() as f32)).collect()).collect()
}

fn tensor(x: &Matrix) -> Tensor {
    let flat: Vec<f32> = x.iter().flatten().map(|x| *x as f32).collect();
    let shape = [x.len() as i64, x[0].len() as i64];
    Tensor::from_slice(&flat).reshape(shape).set_requires_grad(true)
}

fn matrix(x: &Tensor) -> Matrix {
    let rows = Vec::<Vec<f32>>::try_from(x.detach()).unwrap();
    rows.into_iter().map(|row| row.into_iter().map(f64::from).collect()).collect()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The mean cross-entropy of the queries. The key of query i is `label(i)`; the softmax of query i includes key k if
/// `includes(i, k)`.
fn cross_entropy(
    queries: &[Vec<f64>],
    keys: &[Vec<f64>],
    temperature: f64,
    label: impl Fn(usize) -> usize,
    includes: impl Fn(usize, usize) -> bool,
) -> f64 {
    let loss = |i: usize| {
        let logit = |k: usize| cosine(&queries[i], &keys[k]) / temperature;
        let sum: f64 = (0..keys.len()).filter(|k| includes(i, *k)).map(|k| logit(k).exp()).sum();
        sum.ln() - logit(label(i))
    };
    (0..queries.len()).map(loss).sum::<f64>() / queries.len() as f64
}

fn objective(name: &str, config: &Value, padding_free: bool) -> Box<dyn Objective> {
    let tokenizer = toy::tokenizer();
    let context = toy::context(&tokenizer, padding_free);
    build(name, config, &context).unwrap()
}

fn batch(objective: &dyn Objective, first: u64, count: u64) -> Batch {
    let tokenizer = toy::tokenizer();
    let examples = toy::rows(&tokenizer, first + count).split_off(first as usize);
    let host = objective.collate().collate(&examples, 1).unwrap();
    assert_eq!(host.normalizer, Normalizer::WholeBatch);
    Batch::from_host(&host, Device::Cpu).unwrap()
}

/// All parameters: those of the model, and the objective's own with the prefix `objective.`.
fn params(objective: &dyn Objective, model: &dyn Model) -> Vec<(String, Tensor)> {
    let model_params = model.params().iter().map(|(name, param)| (name.to_owned(), param));
    let own_params = objective
        .params()
        .into_iter()
        .flat_map(|params| params.iter())
        .map(|(name, param)| (format!("objective.{name}"), param));
    model_params.chain(own_params).map(|(name, param)| (name, param.shallow_clone())).collect()
}

fn param(objective: &dyn Objective, name: &str) -> Tensor {
    objective.params().unwrap().get(name).unwrap().shallow_clone()
}

/// The loss, and the gradients of three times the loss for all parameters that have gradients.
fn run(
    objective: &dyn Objective,
    model: &dyn Model,
    batch: &Batch,
) -> (f64, Vec<(String, Tensor)>) {
    // All threads share libtorch's random generator, so only one test at a time may seed and use it.
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let all = params(objective, model);
    sst_kernels::reset_gradients(all.iter().map(|(_, param)| param)).unwrap();
    tch::manual_seed(9);
    let loss = objective.loss(model, batch, &CONTEXT).unwrap().loss;
    // A factor as a loss scaler applies it: gradients that are computed in the forward pass must be multiplied by it.
    (&loss * 3.0).backward();
    let grads = all
        .into_iter()
        .filter(|(_, param)| param.grad().defined())
        .map(|(name, param)| (name, param.grad().copy()))
        .collect();
    (loss.double_value(&[]), grads)
}

/// Adds `factor` times its gradient to each parameter that has a gradient.
fn add_gradients(
    objective: &dyn Objective,
    model: &dyn Model,
    grads: &[(String, Tensor)],
    factor: f64,
) {
    let all = params(objective, model);
    for (name, grad) in grads {
        let (_, param) = all.iter().find(|(param_name, _)| param_name == name).unwrap();
        tch::no_grad(|| {
            let _ = param.shallow_clone().f_add_(&(grad * factor)).unwrap();
        });
    }
}
