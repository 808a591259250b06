//! The events of a run, which trackers receive.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::Result;
use crate::report::Metrics;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run starts at `step`, or resumes there.
    Start {
        /// Steps already done.
        step: u64,
        /// The number of steps of the whole run.
        total_steps: u64,
        /// The number of trainable parameters.
        parameters: u64,
    },
    /// The metrics of a logging step: means over the steps since the last one.
    Step {
        /// The number of steps done, this one included.
        step: u64,
        /// `loss`, `lr`, `grad_norm`, and the metrics of the objective.
        metrics: Metrics,
        /// `tokens_per_second`, `seconds` and others, which differ from run to run.
        timing: Metrics,
    },
    /// An evaluation has finished.
    Evaluation {
        /// Steps done.
        step: u64,
        /// The name of the evaluator.
        name: String,
        /// Its metrics.
        metrics: Metrics,
    },
    /// A checkpoint was written completely.
    Saved {
        /// Steps done.
        step: u64,
        /// Its folder.
        path: PathBuf,
    },
    /// The run ends.
    End {
        /// Steps done.
        step: u64,
    },
}

/// Receives the events of a run: metrics.jsonl, TensorBoard, a progress bar, a plot.
pub trait Tracker: Send {
    /// Called for each event, in order.
    ///
    /// # Errors
    /// If the tracker cannot write. The run then stops with this error, so that no metrics are lost.
    fn on_event(&mut self, event: &Event) -> Result<()>;
}
