//! What a resumed run needs beside the weights: `state/trainer.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sst_core::Metrics;
use sst_core::objective::StateDict;
use sst_data::batching::Position;
use sst_data::ledger::Entry;

use crate::policy::Best;
use crate::scaler::ScalerState;
use crate::window::WindowState;

/// The layout of a checkpoint's `state/`; it changes when old ones can no longer be resumed.
pub(crate) const STATE_VERSION: u32 = 3;

/// Which weights a checkpoint's `model/` holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exported {
    /// Those that are trained.
    #[default]
    Raw,
    /// Their moving average; those that are trained are in `state/model.safetensors`.
    Ema,
}

/// How much of a run is done, over all its parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// Tokens that carried data.
    pub tokens: u64,
    /// Seconds by the clock, evaluation and saving included, preparation not.
    pub seconds: f64,
}

/// How far a task of a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskState {
    /// Its name; empty for the only task of a run.
    pub name: String,
    /// Where its loader goes on. It counts the task's own steps.
    pub position: Position,
}

/// `state/trainer.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    /// The layout of `state/`.
    pub version: u32,
    /// The version of sst that wrote it.
    pub sst_version: String,
    /// Steps done.
    pub step: u64,
    /// Tokens and seconds spent on them.
    pub spent: Spent,
    /// The tasks, in order.
    pub tasks: Vec<TaskState>,
    /// The seed of the run.
    pub seed: u64,
    /// Which weights `model/` holds.
    pub model: Exported,
    /// The loss scale of a run in fp16.
    pub scaler: Option<ScalerState>,
    /// Updates that the average of the weights has followed, if there is one.
    pub ema_updates: Option<u64>,
    /// How often micro-batches were halved because memory did not suffice.
    pub halvings: u32,
    /// Sums since the last report.
    pub window: WindowState,
    /// The latest figures under their logged names (`train/loss`, `eval/mlm/loss`, ...).
    pub metrics: Metrics,
    /// The step of the latest evaluation: whether those figures are of these weights.
    pub evaluated: Option<u64>,
    /// The step of the latest report of training: whether `train/` figures are of this step.
    #[serde(default)]
    pub logged: Option<u64>,
    /// The best checkpoints so far, the best first.
    pub best: Vec<Best>,
    /// The ledger.
    pub ledger: BTreeMap<String, Entry>,
}

impl TrainerState {
    /// The figures that were measured at this step, and not at an earlier one.
    pub fn figures(&self) -> Metrics {
        figures_of(&self.metrics, self.step, self.logged, self.evaluated)
    }
}

/// Those of `metrics` that are of `step`: of training if it was `logged` last, held-out ones if it was `evaluated`
/// last.
pub(crate) fn figures_of(
    metrics: &Metrics,
    step: u64,
    logged: Option<u64>,
    evaluated: Option<u64>,
) -> Metrics {
    let is_of_step = |name: &str| match name.starts_with("eval/") {
        true => evaluated == Some(step),
        false => logged == Some(step),
    };
    let own = metrics.iter().filter(|(name, _)| is_of_step(name));
    own.map(|(name, value)| (name.clone(), *value)).collect()
}

/// A checkpoint read back. Weights and the objective are already in place; [`crate::fit()`] takes the
/// rest from here.
#[derive(Debug)]
pub struct Restored {
    /// The checkpoint's folder.
    pub path: PathBuf,
    /// Steps, position, sums, ledger.
    pub state: TrainerState,
    /// The optimiser's named tensors.
    pub optimizer: StateDict,
    /// The average of the weights, if there was one.
    pub ema: Option<StateDict>,
}
