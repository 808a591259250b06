//! Parameter groups: which optimiser updates a parameter, at which learning rate, and with which weight decay.

use std::collections::BTreeMap;

use sst_core::{LayerStack, ParamStore};
use tch::Tensor;

use super::{OptimizerConfig, OptimizerName};

/// Parameters that are updated in the same way.
#[derive(Debug)]
pub struct ParamGroup {
    /// The names of the parameters and handles on them. A name occurs once in all groups of an optimiser, because the
    /// state is saved by names.
    pub params: Vec<(String, Tensor)>,
    /// The optimiser that updates them.
    pub rule: OptimizerName,
    /// The factor on their learning rate.
    pub lr_factor: f64,
    /// The coefficient of their decoupled weight decay.
    pub weight_decay: f64,
}

/// The groups of all trainable parameters of a model and of its objectives. `objectives` are the names of the tasks
/// with the parameters of their objectives. The names of these parameters begin with `objective.TASK.`, or with
/// `objective.` if the task has no name.
///
/// - Weight decay applies to tensors with two or more dimensions, and not to biases, norms and other vectors.
/// - With Muon, the matrices inside the layers of `stacks` are updated by Muon. Embeddings, heads and vectors are
///   updated by AdamW, as the author of Muon recommends.
/// - With a `layer_decay` d below 1, layer i of L layers has the learning rate factor `d^(L - i)`, the embeddings have
///   `d^(L + 1)`, and the parameters above the layers have 1 (Clark et al. 2020, "ELECTRA", appendix A). For
///   embeddings, L is the depth of the deepest stack.
pub fn param_groups(
    model: &ParamStore,
    stacks: &[LayerStack],
    objectives: &[(&str, Option<&ParamStore>)],
    config: &OptimizerConfig,
) -> Vec<ParamGroup> {
    let of_model =
        model.trainable().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
    let of_objectives = objectives.iter().flat_map(|(task, params)| {
        let dot = if task.is_empty() { "" } else { "." };
        let trainable = params.iter().flat_map(|params| params.trainable());
        trainable.map(move |(name, t)| (format!("objective.{task}{dot}{name}"), t.shallow_clone()))
    });
    let mut groups: BTreeMap<(bool, bool, usize), ParamGroup> = BTreeMap::new();
    let only_matrices = config.name.entry().takes_layer_matrices_only;
    for (name, tensor) in of_model.chain(of_objectives) {
        let has_decay = has_weight_decay(&name, &tensor);
        let is_taken = !only_matrices || is_layer_matrix(&name, &tensor, stacks);
        let rule = if is_taken { config.name } else { OptimizerName::AdamW };
        let distance = distance_from_top(&name, stacks);
        let key = (!has_decay, rule == OptimizerName::AdamW, distance);
        let group = groups.entry(key).or_insert_with(|| ParamGroup {
            params: Vec::new(),
            rule,
            lr_factor: config.layer_decay.powi(distance as i32),
            weight_decay: if has_decay { config.weight_decay } else { 0.0 },
        });
        group.params.push((name, tensor));
    }
    groups.into_values().collect()
}

/// Whether weight decay applies to a parameter. The shape alone does not tell: some biases have the shape `[1, d]`.
fn has_weight_decay(name: &str, tensor: &Tensor) -> bool {
    tensor.dim() >= 2 && name.rsplit('.').next() != Some("bias")
}

/// Whether a parameter is a matrix inside a layer.
fn is_layer_matrix(name: &str, tensor: &Tensor, stacks: &[LayerStack]) -> bool {
    let is_in_layer = stacks.iter().any(|stack| stack.layer_of(name).is_some());
    tensor.dim() == 2 && has_weight_decay(name, tensor) && is_in_layer
}

/// The exponent of `layer_decay` for a parameter: 0 above the layers, 1 in the last layer, L in the first of L layers,
/// and L + 1 in the embeddings.
pub(crate) fn distance_from_top(name: &str, stacks: &[LayerStack]) -> usize {
    let in_layer = |stack: &LayerStack| Some(stack.depth - stack.layer_of(name)?);
    if let Some(distance) = stacks.iter().find_map(in_layer) {
        return distance;
    }
    match EMBEDDINGS.iter().any(|part| name.contains(part)) {
        true => stacks.iter().map(|stack| stack.depth).max().unwrap_or(0) + 1,
        false => 0,
    }
}

/// Parts of the names that embeddings have on the Hugging Face hub.
const EMBEDDINGS: [&str; 4] = ["embeddings.", "embed_tokens.", "wte.", "wpe."];
