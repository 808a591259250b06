//! Which parameters follow which rule, at which rate, and which decay.

use std::collections::BTreeMap;

use sst_core::ParamStore;
use tch::Tensor;

use super::{OptimizerConfig, OptimizerName};

/// Parameters that are updated alike.
#[derive(Debug)]
pub struct ParamGroup {
    /// Names and handles. Names are unique over all groups of an optimiser: the state is saved by them.
    pub params: Vec<(String, Tensor)>,
    /// The rule of their updates.
    pub rule: OptimizerName,
    /// What their learning rate is multiplied by.
    pub lr_factor: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// The trainable parameters of a model, and of the objectives of its tasks under `objective.TASK.`
/// (`objective.` for a task without a name), in groups.
///
/// Matrices and larger decay; biases, norms and other vectors do not. Muon takes the matrices inside the
/// numbered layers; embeddings, heads and vectors stay with AdamW, as its author has it. With a
/// `layer_decay` d below 1 the rate of layer i of L is `d^(L - i)`, that of the embeddings `d^(L + 1)`, and
/// that of what stands above the layers 1 (Clark et al. 2020, "ELECTRA", appendix A).
pub fn param_groups(
    model: &ParamStore,
    objectives: &[(&str, Option<&ParamStore>)],
    config: &OptimizerConfig,
) -> Vec<ParamGroup> {
    let own = model.trainable().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
    let further = objectives.iter().flat_map(|(task, params)| {
        let dot = if task.is_empty() { "" } else { "." };
        let trainable = params.iter().flat_map(|params| params.trainable());
        trainable.map(move |(name, t)| (format!("objective.{task}{dot}{name}"), t.shallow_clone()))
    });
    let num_layers = model.iter().filter_map(|(name, _)| layer_of(name)).max().map_or(0, |i| i + 1);
    let mut groups: BTreeMap<(bool, bool, u64), ParamGroup> = BTreeMap::new();
    for (name, tensor) in own.chain(further) {
        let decayed = decays(&name, &tensor);
        let muon = config.name == OptimizerName::Muon && is_hidden_matrix(&name, &tensor);
        let below = num_layers + 1 - depth_of(&name, num_layers);
        let group = groups.entry((!decayed, !muon, below)).or_insert_with(|| ParamGroup {
            params: Vec::new(),
            rule: if muon { OptimizerName::Muon } else { OptimizerName::AdamW },
            lr_factor: config.layer_decay.powi(below as i32),
            weight_decay: if decayed { config.weight_decay } else { 0.0 },
        });
        group.params.push((name, tensor));
    }
    groups.into_values().collect()
}

/// Some biases are stored as `[1, d]`, so their name counts as well as their shape.
fn decays(name: &str, tensor: &Tensor) -> bool {
    tensor.dim() >= 2 && name.rsplit('.').next() != Some("bias")
}

fn is_hidden_matrix(name: &str, tensor: &Tensor) -> bool {
    tensor.dim() == 2 && decays(name, tensor) && layer_of(name).is_some()
}

/// The number in `encoder.layer.3.output.dense.weight`: the layer, from 0.
fn layer_of(name: &str) -> Option<u64> {
    name.split('.').find_map(|part| part.parse().ok())
}

/// 0 for embeddings, i + 1 for layer i, one more than the layers for what stands above them.
fn depth_of(name: &str, num_layers: u64) -> u64 {
    match layer_of(name) {
        Some(layer) => layer + 1,
        None if EMBEDDINGS.iter().any(|part| name.contains(part)) => 0,
        None => num_layers + 1,
    }
}

/// What embeddings are called in the hub's names.
const EMBEDDINGS: [&str; 4] = ["embeddings.", "embed_tokens.", "wte.", "wpe."];
