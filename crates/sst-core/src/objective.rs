//! The seam of objectives: a host half that makes the labels, a device half that makes the loss.

use std::collections::BTreeMap;
use std::sync::Arc;

use sst_data::Collate;
use tch::Tensor;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::forward::Forward;
use crate::model::Model;
use crate::params::ParamStore;

/// Where a loss is computed.
#[derive(Debug, Clone, Copy)]
pub struct StepContext {
    /// The step, from 0.
    pub step: u64,
    /// The micro-batch of the step, from 0.
    pub micro: u64,
    /// How to run the model.
    pub forward: Forward,
}

/// The parts of a loss. All are sums on the device: the trainer divides by the units of the whole step.
#[derive(Debug)]
pub struct LossParts {
    /// The summed loss, a scalar with a graph.
    pub loss: Tensor,
    /// Further sums to log beside it, detached scalars (`correct`, ...), also divided by the units.
    pub sums: Vec<(&'static str, Tensor)>,
}

/// Named tensors that an objective needs to resume.
pub type StateDict = BTreeMap<String, Tensor>;

/// A self-supervised objective.
pub trait Objective: Send {
    /// Its name in a recipe.
    fn name(&self) -> &'static str;

    /// The host half, run in loader workers.
    fn collate(&self) -> Arc<dyn Collate>;

    /// The summed loss of one micro-batch.
    ///
    /// # Errors
    /// If the model lacks the head it needs, or libtorch fails.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts>;

    /// Parameters of its own that train with the model's (a projection head, a temperature).
    fn params(&self) -> Option<&ParamStore> {
        None
    }

    /// The share of a row's positions that the language-model head scores, about; 1 for all of them.
    fn scored_share(&self) -> f64 {
        1.0
    }

    /// Called after each update: momentum encoders, queues.
    ///
    /// # Errors
    /// If libtorch fails.
    fn after_update(&mut self, _model: &dyn Model, _step: u64) -> Result<()> {
        Ok(())
    }

    /// All that a resume needs besides `params`.
    ///
    /// # Errors
    /// If libtorch fails.
    fn state(&self) -> Result<StateDict> {
        Ok(StateDict::new())
    }

    /// Takes back what [`Objective::state`] gave.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape.
    fn load_state(&mut self, state: StateDict) -> Result<()> {
        no_state(self.name(), &state)
    }
}

/// Refuses `state` for an objective that has none.
///
/// # Errors
/// If there is anything in it.
pub fn no_state(objective: &str, state: &StateDict) -> Result<()> {
    match state.keys().next() {
        None => Ok(()),
        Some(name) => Err(Error::Contract(format!(
            "objective `{objective}` has no state, but the checkpoint holds `{name}` for it"
        ))),
    }
}
