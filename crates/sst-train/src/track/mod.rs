//! Listeners that write a run's record.

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

/// The step of an event and its figures under their logged names: `train/loss`,
/// `perf/tokens_per_second`, `eval/mlm/loss`, ... `None` for an event without figures.
fn scalars(event: &Event) -> Option<(u64, Vec<(String, f64)>)> {
    match event {
        Event::Step { step, metrics, timing } => {
            let train = metrics.iter().map(|(name, value)| (format!("train/{name}"), *value));
            let perf = timing.iter().map(|(name, value)| (format!("perf/{name}"), *value));
            Some((*step, train.chain(perf).collect()))
        }
        Event::Evaluation { step, name, metrics } => {
            let figures = metrics.iter().map(|(key, value)| (format!("eval/{name}/{key}"), *value));
            Some((*step, figures.collect()))
        }
        Event::Start { .. } | Event::Saved { .. } | Event::End { .. } => None,
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |duration| duration.as_secs_f64())
}
