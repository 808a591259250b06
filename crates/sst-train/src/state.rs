//! What a resumed run needs beside the weights: `state/trainer.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sst_core::Metrics;
use sst_core::objective::StateDict;
use sst_data::batching::Position;
use sst_data::ledger::Entry;

use crate::window::WindowState;

/// The layout of a checkpoint's `state/`; it changes when old ones can no longer be resumed.
pub(crate) const STATE_VERSION: u32 = 1;

/// The checkpoint with the lowest held-out loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Its step.
    pub step: u64,
    /// The figure it is best in, such as `eval/mlm/loss`.
    pub metric: String,
    /// The value of that figure.
    pub value: f64,
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
    /// Where the loader goes on.
    pub position: Position,
    /// The seed of the run.
    pub seed: u64,
    /// Sums since the last report.
    pub window: WindowState,
    /// The latest figures under their logged names (`train/loss`, `eval/mlm/loss`, ...).
    pub metrics: Metrics,
    /// The best checkpoint so far.
    pub best: Option<Best>,
    /// The ledger.
    pub ledger: BTreeMap<String, Entry>,
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
}
