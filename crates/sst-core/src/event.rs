//! What happens in a run, told to trackers.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::Result;
use crate::report::Metrics;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run starts, or goes on, at `step`.
    Start {
        /// Steps already done.
        step: u64,
        /// Steps in all.
        total_steps: u64,
        /// Trainable parameters.
        parameters: u64,
    },
    /// A logging step: means since the last one.
    Step {
        /// Steps done, this one included.
        step: u64,
        /// `loss`, `lr`, `grad_norm`, the objective's own, ...
        metrics: Metrics,
        /// `tokens_per_second`, `seconds`, ...: these differ from run to run.
        timing: Metrics,
    },
    /// An evaluation.
    Evaluation {
        /// Steps done.
        step: u64,
        /// The evaluator.
        name: String,
        /// Its figures.
        metrics: Metrics,
    },
    /// A checkpoint stands on disk.
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

/// Listens to events: metrics.jsonl, TensorBoard, a progress bar, a plot.
pub trait Tracker: Send {
    /// Called for each event, in order.
    ///
    /// # Errors
    /// If it cannot write; the run stops with that error rather than lose its record.
    fn on_event(&mut self, event: &Event) -> Result<()>;
}
