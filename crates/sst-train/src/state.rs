//! The state of a run in a checkpoint, apart from tensors: `state/trainer.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sst_core::Metrics;
use sst_core::objective::StateDict;
use sst_data::batching::Position;
use sst_data::ledger::Entry;

use crate::early_stopping::EarlyStoppingState;
use crate::policy::Best;
use crate::scaler::ScalerState;
use crate::window::WindowState;

/// The version of `state/`. It changes whenever checkpoints of earlier versions can no longer be resumed.
pub(crate) const STATE_VERSION: u32 = 3;

/// Which weights `model/` of a checkpoint holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exported {
    /// The weights that are trained.
    #[default]
    Raw,
    /// The moving average of the weights. The weights that are trained are in `state/model.safetensors`.
    Ema,
}

/// The tokens and the time that a run has used, including the parts before a resume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// The number of tokens that the run has trained on, without padding.
    pub tokens: u64,
    /// The elapsed time in seconds. It includes evaluations and checkpoints, and not the preparation of the data.
    pub seconds: f64,
}

/// The position of a task in its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskState {
    /// The name of the task; empty for the only task of a run.
    pub name: String,
    /// The position where its loader continues. It counts the steps of this task alone.
    pub position: Position,
}

/// The content of `state/trainer.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    /// The version of `state/`.
    pub version: u32,
    /// The version of sst that wrote the checkpoint.
    pub sst_version: String,
    /// The number of steps done.
    pub step: u64,
    /// The tokens and seconds that these steps took.
    pub spent: Spent,
    /// The tasks of the run, in order.
    pub tasks: Vec<TaskState>,
    /// The seed of the run.
    pub seed: u64,
    /// Which weights `model/` holds.
    pub model: Exported,
    /// The state of the loss scaler, for a run in fp16.
    pub scaler: Option<ScalerState>,
    /// The number of updates of the moving average, if the run has one.
    pub ema_updates: Option<u64>,
    /// How often the micro-batches were halved because memory ran out.
    pub halvings: u32,
    /// The sums since the last report.
    pub window: WindowState,
    /// The latest value of each metric under its logged name (`train/loss`, `eval/mlm/loss`, ...).
    pub metrics: Metrics,
    /// The step of the latest evaluation. If it is `step`, the metrics that begin with `eval/` belong to the weights of
    /// this checkpoint.
    pub evaluated: Option<u64>,
    /// The step of the latest report. If it is `step`, the metrics that begin with `train/` belong to this checkpoint.
    #[serde(default)]
    pub logged: Option<u64>,
    /// The best checkpoints so far, the best one first.
    pub best: Vec<Best>,
    /// The evaluations so far, for a run that may end early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStoppingState>,
    /// The entries of the ledger.
    pub ledger: BTreeMap<String, Entry>,
}

impl TrainerState {
    /// The metrics that were measured at the step of this checkpoint, and not at an earlier one.
    pub fn metrics_of_step(&self) -> Metrics {
        metrics_of_step(&self.metrics, self.step, self.logged, self.evaluated)
    }
}

/// The entries of `metrics` that were measured at step `step`: the training metrics if the latest report, `logged`, was
/// at this step, and the metrics of evaluators if the latest evaluation, `evaluated`, was.
pub(crate) fn metrics_of_step(
    metrics: &Metrics,
    step: u64,
    logged: Option<u64>,
    evaluated: Option<u64>,
) -> Metrics {
    let is_of_step = |name: &str| match name.starts_with("eval/") {
        true => evaluated == Some(step),
        false => logged == Some(step),
    };
    let measured = metrics.iter().filter(|(name, _)| is_of_step(name));
    measured.map(|(name, value)| (name.clone(), *value)).collect()
}

/// The part of a checkpoint that [`crate::fit()`] restores. [`crate::Checkpoint::restore`] has already restored the
/// weights of the model and the objectives.
#[derive(Debug)]
pub struct Restored {
    /// The folder of the checkpoint.
    pub path: PathBuf,
    /// The content of `state/trainer.json`.
    pub state: TrainerState,
    /// The named tensors of the optimiser.
    pub optimizer: StateDict,
    /// The moving average of the weights, if the run had one.
    pub ema: Option<StateDict>,
}
