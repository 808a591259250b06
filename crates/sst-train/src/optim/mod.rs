//! Optimisers. Their state is a set of named tensors, which a checkpoint saves.
//!
//! An optimiser is a file of this folder with an entry, a variant of [`OptimizerName`], and a line in `list.rs`.

mod adamw;
mod bf16_weights;
mod groups;
mod list;
mod muon;
mod rule;
mod set;
mod state;

use serde::{Deserialize, Serialize};

pub use bf16_weights::Bf16Weights;
pub(crate) use groups::distance_from_top;
pub use groups::{ParamGroup, param_groups};
pub use set::{Gradients, Optimizer};

/// The names of the optimisers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    #[default]
    AdamW,
    /// Orthogonalised momentum for the matrices of the layers (Jordan et al. 2024), and AdamW for the other parameters.
    Muon,
}

/// The settings of an optimiser. The defaults of AdamW are those of RoBERTa (Liu et al. 2019, table 9), except for the
/// learning rate, which depends on the batch and the model. The defaults of Muon are those of its authors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// The optimiser.
    pub name: OptimizerName,
    /// The peak learning rate. The schedule multiplies it by a factor between 0 and 1.
    pub lr: f64,
    /// The decay rates of the first and the second moment of AdamW.
    pub betas: [f64; 2],
    /// The number that AdamW adds to the square root of the second moment.
    pub eps: f64,
    /// The coefficient of the decoupled weight decay. It applies to matrices, and not to biases, norms and other
    /// vectors.
    pub weight_decay: f64,
    /// The decay rate of Muon's momentum.
    pub momentum: f64,
    /// The number of Newton-Schulz iterations with which Muon makes an update orthogonal.
    pub iterations: u32,
    /// The learning rate of each layer, relative to that of the layer above it. 1 gives all layers the same rate.
    pub layer_decay: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            name: OptimizerName::AdamW,
            lr: 1e-4,
            betas: [0.9, 0.98],
            eps: 1e-6,
            weight_decay: 0.01,
            momentum: 0.95,
            iterations: 5,
            layer_decay: 1.0,
        }
    }
}
