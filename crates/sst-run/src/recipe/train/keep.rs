//! `[train.keep]`: which checkpoints are kept.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sst_train::{BestBy, Retention, setting};

use crate::recipe::duration::{Duration, Scale};
use crate::recipe::limits::MOST_COUNT;
use crate::recipe::{Effect, Idle, Keys, RunConfig};

/// `[train.keep]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct KeepFile {
    last: Option<usize>,
    best: Option<usize>,
    by: Option<BestBy>,
    every: Option<Duration>,
    restore_best: Option<bool>,
}

/// `[train.keep]`. The defaults are those of [`Retention`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Keep {
    /// How many of the newest are kept; 0 keeps all.
    pub last: usize,
    /// How many of the best are kept.
    pub best: usize,
    /// The metric that decides which is best, and its direction. Default: the lowest loss of the first evaluator.
    pub by: Option<BestBy>,
    /// Checkpoints at multiples of this are kept too. Default: none.
    pub every: Duration,
    /// Whether the model of the run is that of the best checkpoint, and not of the last one: for the result of a finished
    /// run, and wherever the run folder is named as a model. Default: true with `[train.early_stopping]`, otherwise false.
    pub restore_best: bool,
}

pub(in crate::recipe) const KEYS: Keys = Keys {
    limits: &[("train.keep.last", 0.0, MOST_COUNT), ("train.keep.best", 0.0, 1e6)],
    may_differ: &[
        ("train.keep.last", Effect::None),
        ("train.keep.best", Effect::None),
        ("train.keep.by.metric", Effect::None),
        ("train.keep.by.direction", Effect::None),
        ("train.keep.every", Effect::None),
        ("train.keep.restore_best", Effect::None),
    ],
    durations,
    idle,
    settings: &[(setting::BEST_METRIC, "train.keep.by.metric")],
    ..Keys::NONE
};

impl KeepFile {
    /// Fills in the defaults. `ends_early` says whether the run may end early.
    pub(super) fn fill(self, ends_early: bool) -> Keep {
        let kept = Retention::default();
        Keep {
            last: self.last.unwrap_or(kept.last),
            best: self.best.unwrap_or(kept.best),
            by: self.by,
            every: self.every.unwrap_or(Duration::ZERO),
            restore_best: self.restore_best.unwrap_or(ends_early),
        }
    }
}

impl Keep {
    /// Converts to the retention rule of a run of `total_steps` steps.
    pub(super) fn retention(&self, scale: Scale, total_steps: u64) -> Retention {
        let every = self.every.steps(scale, total_steps);
        Retention {
            last: self.last,
            best: self.best,
            by: self.by.clone(),
            every: (every > 0).then_some(every),
            restore_best: self.restore_best,
        }
    }
}

fn durations(config: &RunConfig) -> Vec<(String, Duration)> {
    vec![("train.keep.every".to_owned(), config.train.keep.every)]
}

fn idle(config: &RunConfig) -> Vec<Idle> {
    if config.train.keep.last > 0 {
        return Vec::new();
    }
    let why = "train.keep.last = 0 keeps all checkpoints";
    vec![
        ("train.keep.best".to_owned(), json!(1), why),
        ("train.keep.every".to_owned(), json!("0step"), why),
    ]
}
