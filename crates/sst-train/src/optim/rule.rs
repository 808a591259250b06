//! The trait of optimisers: a rule that updates some of the parameters.

use std::fmt::Debug;

use sst_core::Result;
use tch::Tensor;

use super::{Bf16Weights, OptimizerConfig, ParamGroup};

/// An update rule, with its parameters and their state.
pub(super) trait UpdateRule: Debug + Send {
    /// From now on, every update also writes the bf16 weights that `bf16_weights` returns for the name of a parameter.
    /// To be called before the first update.
    ///
    /// # Errors
    /// If libtorch fails.
    fn set_bf16_weights(
        &mut self,
        bf16_weights: &dyn Fn(&str) -> Option<Bf16Weights>,
    ) -> Result<()>;

    /// The parameters, always in the same order.
    fn params(&self) -> Vec<&Tensor>;

    /// The first moment (or momentum) of each parameter, in the order of [`UpdateRule::params`] and in the shape of the
    /// parameter.
    fn moments(&self) -> Vec<&Tensor>;

    /// One update at the learning rate `lr`. `grads` has an entry for each parameter, in the order of
    /// [`UpdateRule::params`]: `None` for a parameter without a gradient. `grad_scale` and `found_inf` are those of
    /// [`super::Optimizer::update`].
    ///
    /// # Errors
    /// If `grads` has another number of entries, or libtorch fails.
    fn update(
        &mut self,
        lr: f64,
        grads: &[Option<Tensor>],
        grad_scale: Option<&Tensor>,
        found_inf: Option<&Tensor>,
    ) -> Result<()>;

    /// The state: every tensor with a unique name, such as `exp_avg.NAME` for the parameter `NAME`.
    fn tensors(&self) -> Vec<(String, &Tensor)>;
}

/// Makes an update rule for the parameters of some groups.
type Build = fn(&OptimizerConfig, Vec<ParamGroup>) -> Result<Box<dyn UpdateRule>>;

/// What the rest of this crate asks of an optimiser.
pub(super) struct RuleEntry {
    /// Whether it updates only the matrices inside the layers. AdamW then updates the other parameters.
    pub(super) takes_layer_matrices_only: bool,
    /// Whether it can update parameters that are stored as bf16 weights and an int16 remainder. On the CPU only.
    pub(super) supports_bf16_remainder: bool,
    pub(super) build: Build,
}
