//! `[train.unfreeze]`: which layers are trained, and from when on.

use serde::{Deserialize, Serialize};
use sst_train::{Unfreeze, setting};

use crate::recipe::duration::{Duration, Scale};
use crate::recipe::{Keys, RunConfig};

/// `[train.unfreeze]`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnfreezeSection {
    /// The number of upper layers that are trained from the first step on, besides the head; 0 for the head alone.
    pub layers: usize,
    /// How long until one more layer is trained, from the top down, and the embeddings at last. Default: never.
    #[serde(default = "never")]
    pub every: Duration,
}

fn never() -> Duration {
    Duration::ZERO
}

pub(in crate::recipe) const KEYS: Keys = Keys {
    limits: &[("train.unfreeze.layers", 0.0, 100_000.0)],
    durations,
    settings: &[(setting::UNFREEZE, "train.unfreeze")],
    ..Keys::NONE
};

impl UnfreezeSection {
    /// The rule for a run of `total_steps` steps.
    pub(super) fn in_steps(self, scale: Scale, total_steps: u64) -> Unfreeze {
        let every = self.every.steps(scale, total_steps);
        Unfreeze { layers: self.layers, every: (every > 0).then_some(every) }
    }
}

fn durations(config: &RunConfig) -> Vec<(String, Duration)> {
    let every = config.train.unfreeze.map(|unfreeze| unfreeze.every);
    every.map(|every| ("train.unfreeze.every".to_owned(), every)).into_iter().collect()
}
