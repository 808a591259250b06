//! Optimisers whose state is named tensors that can be saved.
//!
//! An optimiser is a file here with an entry, a name in [`OptimizerName`], and its line in `list.rs`.

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
pub use groups::{ParamGroup, param_groups};
pub use set::{Gradients, Optimizer};

/// The optimisers there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    #[default]
    AdamW,
    /// Orthogonalised momentum for the matrices of the layers (Jordan et al. 2024), AdamW for the rest.
    Muon,
}

/// An optimiser. The defaults are RoBERTa's (Liu et al. 2019, table 9) but for the rate, which depends on
/// the batch and the model, and Muon's own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Which one.
    pub name: OptimizerName,
    /// The full learning rate, on which the schedule puts a factor.
    pub lr: f64,
    /// Decay rates of AdamW's two moments.
    pub betas: [f64; 2],
    /// Added to the root of AdamW's second moment.
    pub eps: f64,
    /// Decoupled weight decay; biases, norms and other vectors never decay.
    pub weight_decay: f64,
    /// Muon's: decay rate of the momentum.
    pub momentum: f64,
    /// Muon's: rounds of the iteration that makes updates orthogonal.
    pub iterations: u32,
    /// The rate of each layer as a share of that of the layer above; 1 for one rate.
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
