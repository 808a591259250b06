//! Contrastive objectives: losses against sums in fp64, their gradients against differences of these, the memory of
//! MoCo against its formulas, and chunks against the whole.

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

/// Vectors that fp32 holds.
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

/// The mean cross-entropy of each query with its key, where `sees` says.
fn cross_entropy(
    queries: &[Vec<f64>],
    keys: &[Vec<f64>],
    temperature: f64,
    label: impl Fn(usize) -> usize,
    sees: impl Fn(usize, usize) -> bool,
) -> f64 {
    let one = |i: usize| {
        let logit = |k: usize| cosine(&queries[i], &keys[k]) / temperature;
        let sum: f64 = (0..keys.len()).filter(|k| sees(i, *k)).map(|k| logit(k).exp()).sum();
        sum.ln() - logit(label(i))
    };
    (0..queries.len()).map(one).sum::<f64>() / queries.len() as f64
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

/// All that trains: the parameters of the model, and the objective's own under `objective.`.
fn params(objective: &dyn Objective, model: &dyn Model) -> Vec<(String, Tensor)> {
    let of_model = model.params().iter().map(|(name, param)| (name.to_owned(), param));
    let own = objective.params().into_iter().flat_map(|params| params.iter());
    let own = own.map(|(name, param)| (format!("objective.{name}"), param));
    of_model.chain(own).map(|(name, param)| (name, param.shallow_clone())).collect()
}

fn param(objective: &dyn Objective, name: &str) -> Tensor {
    objective.params().unwrap().get(name).unwrap().shallow_clone()
}

/// The loss, and the gradients of all parameters that have one; they are of three times the loss.
fn run(
    objective: &dyn Objective,
    model: &dyn Model,
    batch: &Batch,
) -> (f64, Vec<(String, Tensor)>) {
    // libtorch's generator is one for all threads.
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let all = params(objective, model);
    sst_kernels::reset_gradients(all.iter().map(|(_, param)| param)).unwrap();
    tch::manual_seed(9);
    let loss = objective.loss(model, batch, &CONTEXT).unwrap().loss;
    // As a trainer may scale it.
    (&loss * 3.0).backward();
    let grads = all.into_iter().filter(|(_, param)| param.grad().defined());
    let grads = grads.map(|(name, param)| (name, param.grad().copy())).collect();
    (loss.double_value(&[]), grads)
}

/// Moves every parameter by so much of its gradient.
fn walk(objective: &dyn Objective, model: &dyn Model, grads: &[(String, Tensor)], by: f64) {
    let all = params(objective, model);
    for (name, grad) in grads {
        let (_, param) = all.iter().find(|(own, _)| own == name).unwrap();
        tch::no_grad(|| {
            let _ = param.shallow_clone().f_add_(&(grad * by)).unwrap();
        });
    }
}
