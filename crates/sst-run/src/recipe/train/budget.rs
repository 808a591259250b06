//! `[train.budget]`: limits that end a run before its last step.

use serde::{Deserialize, Serialize};
use sst_train::setting;

use crate::recipe::limits::MOST_COUNT;
use crate::recipe::{Effect, Keys};

/// `[train.budget]`. Without any key, there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// The largest number of tokens, padding not included.
    pub tokens: Option<u64>,
    /// The largest training time in seconds, summed over all resumed parts of the run.
    pub seconds: Option<f64>,
}

pub(in crate::recipe) const KEYS: Keys = Keys {
    limits: &[("train.budget.tokens", 1.0, MOST_COUNT), ("train.budget.seconds", 0.0, MOST_COUNT)],
    may_differ: &[("train.budget.tokens", Effect::None), ("train.budget.seconds", Effect::None)],
    settings: &[
        (setting::MAX_TOKENS, "train.budget.tokens"),
        (setting::MAX_SECONDS, "train.budget.seconds"),
    ],
    ..Keys::NONE
};
