//! `[train.budget]`: what ends a run before its last step.

use serde::{Deserialize, Serialize};

use crate::recipe::limits::MOST_COUNT;
use crate::recipe::{Effect, Keys};

/// `[train.budget]`. Without any key, the run takes all of its steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Tokens that carry data.
    pub tokens: Option<u64>,
    /// Seconds, over all parts of a resumed run.
    pub seconds: Option<f64>,
}

pub(in crate::recipe) const KEYS: Keys = Keys {
    limits: &[("train.budget.tokens", 1.0, MOST_COUNT), ("train.budget.seconds", 0.0, MOST_COUNT)],
    may_differ: &[("train.budget.tokens", Effect::None), ("train.budget.seconds", Effect::None)],
    ..Keys::NONE
};
