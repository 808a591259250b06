//! Optimisers whose state is named tensors that can be saved.

mod adamw;
mod groups;

use serde::{Deserialize, Serialize};

pub use adamw::{AdamW, Gradients};
pub use groups::{ParamGroup, param_groups};

/// The optimisers there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    #[default]
    AdamW,
}

/// An optimiser. The defaults are RoBERTa's (Liu et al. 2019, table 9) but for the rate, which depends on
/// the batch and the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Which one.
    pub name: OptimizerName,
    /// The full learning rate, on which the schedule puts a factor.
    pub lr: f64,
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay; biases, norms and other vectors never decay.
    pub weight_decay: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        let name = OptimizerName::AdamW;
        Self { name, lr: 1e-4, betas: [0.9, 0.98], eps: 1e-6, weight_decay: 0.01 }
    }
}
