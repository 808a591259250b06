//! Probes against scikit-learn and numpy.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sst_core::checkpoint::Weights;
use sst_data::SeqRng;
use sst_eval::probe::Labelled;
use tch::{Kind, Tensor};

mod cka;
mod control;
mod data;
mod knn;
mod logistic;
mod mdl;
mod select;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/probe").join(name)
}

/// The golden tensors and figures.
struct Golden {
    tensors: Weights,
    figures: Value,
}

impl Golden {
    fn open() -> Self {
        let tensors = Weights::open(&golden("case.safetensors")).unwrap();
        let text = std::fs::read_to_string(golden("cases.json")).unwrap();
        Self { tensors, figures: serde_json::from_str(&text).unwrap() }
    }

    /// The cases of a kind, of which there must be so many.
    fn cases(&self, kind: &str, count: usize) -> &[Value] {
        let cases = self.figures[kind].as_array().unwrap();
        assert_eq!(cases.len(), count);
        cases
    }

    fn tensor(&self, name: &str) -> Tensor {
        self.tensors.tensor(name).unwrap()
    }

    fn integers(&self, name: &str) -> Vec<i64> {
        Vec::try_from(&self.tensor(name)).unwrap()
    }

    fn labelled(&self, features: &str, labels: &str, classes: usize) -> Labelled {
        Labelled::new(&self.tensor(features), &self.integers(labels), classes).unwrap()
    }
}

fn text(case: &Value, key: &str) -> String {
    case[key].as_str().unwrap().to_owned()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn integers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// How many classes the cases that are named in the generator have.
fn classes(name: &str) -> usize {
    match name {
        name if name.starts_with("two") => 2,
        name if name.starts_with("seven") => 7,
        "scales" => 4,
        _ => 3,
    }
}

/// Normal numbers `[n, d]` in fp64.
fn normal(n: i64, d: i64, seed: u64) -> Tensor {
    let mut rng = SeqRng::new(seed, "test.normal", 0, 0);
    let numbers: Vec<f64> = (0..n * d).map(|_| rng.normal()).collect();
    Tensor::from_slice(&numbers).view([n, d])
}

/// `n` rows whose class, one of `classes` in turn, shifts one of their `d` features by `shift`.
fn shifted(n: i64, d: i64, classes: i64, shift: f64, seed: u64) -> Labelled {
    let labels: Vec<i64> = (0..n).map(|row| row % classes).collect();
    let one_hot = Tensor::from_slice(&labels).one_hot(d).to_kind(Kind::Double);
    let features = normal(n, d, seed) + one_hot * shift;
    Labelled::new(&features.to_kind(Kind::Float), &labels, classes as usize).unwrap()
}
