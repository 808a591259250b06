//! Trackers: they receive the events of a run, and write its metrics to files or to the terminal.

pub mod jsonl;
pub mod plot;
pub mod progress;
pub mod tensorboard;

use std::time::{SystemTime, UNIX_EPOCH};

pub use jsonl::Jsonl;
pub use plot::LossPlot;
pub use progress::Progress;
use sst_core::Event;
pub use tensorboard::TensorBoard;

/// The step of an event and its metrics under their logged names: `train/loss`, `perf/tokens_per_second`,
/// `eval/mlm/loss`, ... `None` for an event without metrics.
fn logged_metrics(event: &Event) -> Option<(u64, Vec<(String, f64)>)> {
    match event {
        Event::Step { step, metrics, timing } => {
            let train = metrics.iter().map(|(name, value)| (format!("train/{name}"), *value));
            let perf = timing.iter().map(|(name, value)| (format!("perf/{name}"), *value));
            Some((*step, train.chain(perf).collect()))
        }
        Event::Evaluation { step, name, metrics } => {
            let eval = metrics.iter().map(|(key, value)| (format!("eval/{name}/{key}"), *value));
            Some((*step, eval.collect()))
        }
        Event::Start { .. } | Event::Saved { .. } | Event::End { .. } => None,
    }
}

/// The time in seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |duration| duration.as_secs_f64())
}
