//! The trait of self-supervised objectives. An objective has two parts: [`Objective::collate`] makes inputs and
//! labels on the host, and [`Objective::loss`] computes the loss on the device.

use std::collections::BTreeMap;
use std::sync::Arc;

use sst_data::Collate;
use tch::Tensor;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::forward::Forward;
use crate::model::Model;
use crate::params::ParamStore;

/// The step that a loss is computed in.
#[derive(Debug, Clone, Copy)]
pub struct StepContext {
    /// The number of the step, from 0.
    pub step: u64,
    /// The number of the micro-batch within the step, from 0.
    pub micro: u64,
    /// How the forward pass is run.
    pub forward: Forward,
}

/// The name among [`LossParts::sums`] of the loss that a model which has learned nothing would have on this micro-batch. Where
/// an objective gives it, a run warns if the loss stays there.
pub const UNTRAINED_LOSS: &str = "untrained_loss";

/// The loss of one micro-batch, as sums on the device. The trainer divides them by the summed normalizers of the step.
#[derive(Debug)]
pub struct LossParts {
    /// The summed loss, a scalar that gradients can be computed from.
    pub loss: Tensor,
    /// Further sums to log, such as `correct`: detached scalars, also divided by the summed normalizers.
    pub sums: Vec<(&'static str, Tensor)>,
}

/// Named tensors that an objective saves in a checkpoint to resume.
pub type StateDict = BTreeMap<String, Tensor>;

/// A self-supervised objective.
pub trait Objective: Send {
    /// The name by which it is asked for.
    fn name(&self) -> &'static str;

    /// The part that makes batches on the host. It runs in the workers of the loader.
    fn collate(&self) -> Arc<dyn Collate>;

    /// The summed loss of one micro-batch.
    ///
    /// # Errors
    /// If the model lacks the head it needs, or libtorch fails.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts>;

    /// The objective's own parameters, which are trained with the model's (a projection head, a temperature).
    fn params(&self) -> Option<&ParamStore> {
        None
    }

    /// The approximate fraction of a row's tokens whose hidden states go through the language-model head; 1 for all
    /// tokens.
    fn head_token_fraction(&self) -> f64 {
        1.0
    }

    /// Called after each update of the parameters, for momentum encoders and queues.
    ///
    /// # Errors
    /// If libtorch fails.
    fn after_update(&mut self, _model: &dyn Model, _step: u64) -> Result<()> {
        Ok(())
    }

    /// The tensors that a checkpoint needs to resume the objective, besides [`Objective::params`].
    ///
    /// # Errors
    /// If libtorch fails.
    fn state(&self) -> Result<StateDict> {
        Ok(StateDict::new())
    }

    /// Restores the tensors that [`Objective::state`] returned.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape.
    fn load_state(&mut self, state: StateDict) -> Result<()> {
        no_state(self.name(), &state)
    }
}

/// Refuses any state, for an objective that has none.
///
/// # Errors
/// If `state` holds a tensor.
pub fn no_state(objective: &str, state: &StateDict) -> Result<()> {
    match state.keys().next() {
        None => Ok(()),
        Some(name) => Err(Error::Contract(format!(
            "objective `{objective}` has no state, but the checkpoint holds `{name}` for it"
        ))),
    }
}
