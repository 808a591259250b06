//! What the rest of the crate reads about the keys of a section, so that a new key stands in one file alone.

use serde_json::Value;

use super::config::RunConfig;
use super::duration::Duration;
use super::task::Task;
use super::train::{self, batching, budget, ema, inject, keep, loss_scaling, optimizer, schedule};
use super::{curriculum, data, mixture, model, objective, run, task, tokenizer};

/// The facts on the keys of one section. Keys are written as in `train.batch_size`, without `tasks.NAME.`.
pub(super) struct Keys {
    /// The least and the most of each number.
    pub(super) limits: &'static [(&'static str, f64, f64)],
    /// The keys that may differ between the parts of a resumed run, since they do not say what is learned.
    pub(super) may_differ: &'static [(&'static str, Effect)],
    /// The lengths of training, each with its key.
    pub(super) durations: fn(&RunConfig) -> Vec<(String, Duration)>,
    /// The keys that have no effect beside the others of this recipe.
    pub(super) idle: fn(&RunConfig) -> Vec<Idle>,
    /// The keys of a task that have no effect beside its others.
    pub(super) idle_in_task: fn(&Task) -> Vec<Idle>,
}

/// What a changed key does to a run that is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The run ends with the very same weights.
    None,
    /// The last bits of the weights may differ.
    LastBits,
}

/// A key without effect, its default, and what it is for.
pub(super) type Idle = (&'static str, Value, &'static str);

impl Keys {
    /// A section of which there is nothing to say.
    pub(super) const NONE: Self = Self {
        limits: &[],
        may_differ: &[],
        durations: |_| Vec::new(),
        idle: |_| Vec::new(),
        idle_in_task: |_| Vec::new(),
    };
}

/// The sections.
pub(super) const SECTIONS: [&Keys; 17] = [
    &run::KEYS,
    &data::KEYS,
    &tokenizer::KEYS,
    &model::KEYS,
    &objective::KEYS,
    &curriculum::KEYS,
    &mixture::KEYS,
    &task::KEYS,
    &train::KEYS,
    &batching::KEYS,
    &loss_scaling::KEYS,
    &ema::KEYS,
    &budget::KEYS,
    &keep::KEYS,
    &inject::KEYS,
    &optimizer::KEYS,
    &schedule::KEYS,
];

/// What a change of `key` does to a run that is resumed; `None` where the run must be refused.
pub(crate) fn effect_of_change(key: &str) -> Option<Effect> {
    let own = key.strip_prefix("tasks.").and_then(|key| key.split_once('.'));
    let plain = own.map_or(key, |(_, key)| key);
    let mut all = SECTIONS.iter().flat_map(|keys| keys.may_differ);
    all.find(|(name, _)| *name == plain).map(|(_, effect)| *effect)
}
