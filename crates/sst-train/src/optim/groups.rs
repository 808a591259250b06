//! Which parameters follow which rule, at which rate, and which decay.

use std::collections::BTreeMap;

use sst_core::{LayerStack, ParamStore};
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
/// layers of `stacks`; embeddings, heads and vectors stay with AdamW, as its author has it. With a
/// `layer_decay` d below 1 the rate of layer i of L is `d^(L - i)`, that of the embeddings `d^(L + 1)`, and
/// that of what stands above the layers 1 (Clark et al. 2020, "ELECTRA", appendix A). For embeddings L is the depth of
/// the deepest stack.
pub fn param_groups(
    model: &ParamStore,
    stacks: &[LayerStack],
    objectives: &[(&str, Option<&ParamStore>)],
    config: &OptimizerConfig,
) -> Vec<ParamGroup> {
    let own = model.trainable().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
    let further = objectives.iter().flat_map(|(task, params)| {
        let dot = if task.is_empty() { "" } else { "." };
        let trainable = params.iter().flat_map(|params| params.trainable());
        trainable.map(move |(name, t)| (format!("objective.{task}{dot}{name}"), t.shallow_clone()))
    });
    let mut groups: BTreeMap<(bool, bool, usize), ParamGroup> = BTreeMap::new();
    let only_matrices = config.name.entry().takes_layer_matrices_only;
    for (name, tensor) in own.chain(further) {
        let decayed = decays(&name, &tensor);
        let takes = !only_matrices || is_hidden_matrix(&name, &tensor, stacks);
        let rule = if takes { config.name } else { OptimizerName::AdamW };
        let below = num_below_top(&name, stacks);
        let group =
            groups.entry((!decayed, rule == OptimizerName::AdamW, below)).or_insert_with(|| {
                ParamGroup {
                    params: Vec::new(),
                    rule,
                    lr_factor: config.layer_decay.powi(below as i32),
                    weight_decay: if decayed { config.weight_decay } else { 0.0 },
                }
            });
        group.params.push((name, tensor));
    }
    groups.into_values().collect()
}

/// Some biases are stored as `[1, d]`, so their name counts as well as their shape.
fn decays(name: &str, tensor: &Tensor) -> bool {
    tensor.dim() >= 2 && name.rsplit('.').next() != Some("bias")
}

fn is_hidden_matrix(name: &str, tensor: &Tensor, stacks: &[LayerStack]) -> bool {
    let is_in_layer = stacks.iter().any(|stack| stack.layer_of(name).is_some());
    tensor.dim() == 2 && decays(name, tensor) && is_in_layer
}

/// How many steps a parameter lies below what stands above the layers: none for that itself, one for the last layer,
/// and for embeddings one more than there are layers.
fn num_below_top(name: &str, stacks: &[LayerStack]) -> usize {
    let in_layer = |stack: &LayerStack| Some(stack.depth - stack.layer_of(name)?);
    if let Some(below) = stacks.iter().find_map(in_layer) {
        return below;
    }
    match EMBEDDINGS.iter().any(|part| name.contains(part)) {
        true => stacks.iter().map(|stack| stack.depth).max().unwrap_or(0) + 1,
        false => 0,
    }
}

/// What embeddings are called in the hub's names.
const EMBEDDINGS: [&str; 4] = ["embeddings.", "embed_tokens.", "wte.", "wpe."];
