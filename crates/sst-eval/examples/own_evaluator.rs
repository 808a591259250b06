//! A metric and an evaluator of your own. The evaluator computes the cosine similarity between the vectors of a sentence
//! and of the same sentence with its words reversed; it is near 1 for a model that ignores word order.

use serde_json::json;
use sst_core::nn::Pooling;
use sst_core::{Encoder, Forward, RaggedRows, Tokens, encode_pooled};
use sst_eval::{Evaluator, Report};
use sst_models::{BuildOptions, InitOptions};
use tch::{Device, Tensor};

/// A metric is a function on slices and does not depend on models.
pub fn cosine(x: &[f32], y: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum::<f64>();
    dot(x, y) / (dot(x, x) * dot(y, y)).sqrt()
}

/// An evaluator owns its data, here rows of token ids.
pub struct WordOrder {
    /// The rows.
    pub rows: Vec<Vec<i64>>,
}

/// The vector of a row: the mean of its hidden states.
fn vector(encoder: &dyn Encoder, ids: &[i64]) -> sst_core::Result<Vec<f32>> {
    let (ids_t, rows) = (Tensor::from_slice(ids), RaggedRows::new(&[ids.len()], Device::Cpu));
    let input = Tokens::ragged(&ids_t, &rows).into();
    let vectors_bd = encode_pooled(encoder, input, &[Pooling::Mean], Forward::EVAL)?;
    Ok(Vec::try_from(vectors_bd.flatten(0, -1))?)
}

impl Evaluator for WordOrder {
    fn name(&self) -> &str {
        "word-order"
    }

    fn evaluate(
        &mut self,
        model: &dyn sst_core::Model,
        _objective: Option<&dyn sst_core::Objective>,
    ) -> sst_core::Result<Report> {
        let _no_grad = tch::no_grad_guard();
        let encoder = model.text_encoder()?;
        let mut sum = 0.0;
        for ids in &self.rows {
            let reversed: Vec<i64> = ids.iter().rev().copied().collect();
            sum += cosine(&vector(encoder, ids)?, &vector(encoder, &reversed)?);
        }
        let count = self.rows.len();
        Ok(Report::new(self.name(), [("cosine", sum / count as f64)], [("rows", count as u64)]))
    }
}

/// Evaluates a small BERT with random weights.
pub fn measure() -> Result<Report, Box<dyn std::error::Error>> {
    let config = json!({
        "model_type": "bert", "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 16,
    });
    let (device, seed) = (Device::Cpu, Some(1));
    let options = BuildOptions { device, seed, architecture: None, init: InitOptions::default() };
    let model = sst_models::build(&config, &options)?;
    let mut evaluator = WordOrder { rows: vec![vec![2, 7, 11, 5, 3], vec![2, 9, 40, 3]] };
    Ok(evaluator.evaluate(&*model, None)?)
}

#[allow(clippy::print_stdout, reason = "an example may print")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", measure()?.to_json());
    Ok(())
}
