//! What an optimiser is: a rule of updates for some of the parameters.

use std::fmt::Debug;

use sst_core::Result;
use tch::Tensor;

use super::{Bf16Weights, OptimizerConfig, ParamGroup};

/// A rule of updates with its parameters and their state.
pub(super) trait UpdateRule: Debug + Send {
    /// From now on, every update also writes the bf16 weights that `low` returns for the name of a parameter.
    ///
    /// # Errors
    /// If libtorch fails.
    fn keep_low(&mut self, low: &dyn Fn(&str) -> Option<Bf16Weights>) -> Result<()>;

    /// Its parameters, in one order.
    fn params(&self) -> Vec<&Tensor>;

    /// The first moment of each parameter, in the order of [`UpdateRule::params`] and in the parameter's shape.
    fn moments(&self) -> Vec<&Tensor>;

    /// One update at rate `lr`. `grads` has one entry a parameter, `None` for those that have no gradient; flags as for
    /// [`super::Optimizer::update`].
    ///
    /// # Errors
    /// If `grads` is not of these parameters, or libtorch fails.
    fn update(
        &mut self,
        lr: f64,
        grads: &[Option<Tensor>],
        grad_scale: Option<&Tensor>,
        found_inf: Option<&Tensor>,
    ) -> Result<()>;

    /// Its state: each tensor under a name of its own, such as `exp_avg.NAME`.
    fn tensors(&self) -> Vec<(String, &Tensor)>;
}

/// Makes a rule for the parameters of these groups.
type Build = fn(&OptimizerConfig, Vec<ParamGroup>) -> Result<Box<dyn UpdateRule>>;

/// The registration of an optimiser.
pub(super) struct RuleEntry {
    /// Whether it updates only the matrices inside the layers. AdamW updates the other parameters then.
    pub(super) takes_layer_matrices_only: bool,
    /// Whether it can update a parameter that is kept as a bf16 high half and an int16 remainder, on the CPU.
    pub(super) updates_halves: bool,
    pub(super) build: Build,
}
