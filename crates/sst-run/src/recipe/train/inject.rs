//! `[train.inject]`: failures on purpose, to test how a run handles them.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sst_train::Fault;

use crate::recipe::error::Problem;
use crate::recipe::limits::MOST_COUNT;
use crate::recipe::{Effect, Idle, Keys, RunConfig};

/// `[train.inject]`. 0, the default of every key, means never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inject {
    /// The step whose loss is NaN.
    pub nan_at: u64,
    /// The step whose fp16 gradients overflow.
    pub overflow_at: u64,
    /// The step from which on more than `memory_rows` rows per forward pass run out of memory.
    pub out_of_memory_at: u64,
    /// See `out_of_memory_at`.
    pub memory_rows: usize,
}

pub(in crate::recipe) const KEYS: Keys = Keys {
    limits: &[
        ("train.inject.nan_at", 0.0, MOST_COUNT),
        ("train.inject.overflow_at", 0.0, MOST_COUNT),
        ("train.inject.out_of_memory_at", 0.0, MOST_COUNT),
        ("train.inject.memory_rows", 0.0, MOST_COUNT),
    ],
    may_differ: &[
        ("train.inject.nan_at", Effect::None),
        ("train.inject.overflow_at", Effect::None),
        ("train.inject.out_of_memory_at", Effect::None),
        ("train.inject.memory_rows", Effect::None),
    ],
    idle,
    ..Keys::NONE
};

impl Inject {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.out_of_memory_at > 0 && self.memory_rows == 0 {
            let message = "must be at least 1 with out_of_memory_at";
            return Err(Problem::new("train.inject.memory_rows", message));
        }
        Ok(())
    }

    /// The failure to inject, if any.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let Self { nan_at, overflow_at, out_of_memory_at, memory_rows } = *self;
        let nan = (nan_at > 0).then_some(Fault::NanLoss { step: nan_at });
        let overflow = (overflow_at > 0).then_some(Fault::Overflow { step: overflow_at });
        let memory = Fault::OutOfMemory { step: out_of_memory_at, rows: memory_rows };
        nan.or(overflow).or((out_of_memory_at > 0).then_some(memory))
    }
}

fn idle(config: &RunConfig) -> Vec<Idle> {
    if config.train.inject.out_of_memory_at > 0 {
        return Vec::new();
    }
    let why = "applies only to train.inject.out_of_memory_at";
    vec![("train.inject.memory_rows".to_owned(), json!(0), why)]
}
