//! Which parameters decay.

use sst_core::ParamStore;
use tch::Tensor;

/// Parameters with one weight decay.
#[derive(Debug)]
pub struct ParamGroup {
    /// Names and handles. Names are unique over all groups of an optimiser: the state is saved by them.
    pub params: Vec<(String, Tensor)>,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// The trainable parameters of a model, and of an objective under `objective.`, in two groups: matrices
/// and larger decay; biases, norms and other vectors do not.
pub fn param_groups(
    model: &ParamStore,
    objective: Option<&ParamStore>,
    weight_decay: f64,
) -> Vec<ParamGroup> {
    let own = model.trainable().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
    let further = objective.into_iter().flat_map(ParamStore::trainable);
    let further = further.map(|(name, t)| (format!("objective.{name}"), t.shallow_clone()));
    let (decayed, plain) = own.chain(further).partition(|(name, tensor)| decays(name, tensor));
    vec![
        ParamGroup { params: decayed, weight_decay },
        ParamGroup { params: plain, weight_decay: 0.0 },
    ]
}

/// Some biases are stored as `[1, d]`, so their name counts as well as their shape.
fn decays(name: &str, tensor: &Tensor) -> bool {
    tensor.dim() >= 2 && name.rsplit('.').next() != Some("bias")
}
