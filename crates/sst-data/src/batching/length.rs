//! Sequence-length warm-up: training starts with short rows, which are made by splitting long ones.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ramp::grow;
use super::{Batching, BatchingError, Position, StepPlan};
use crate::setting;

/// The length of the longest row of an update, which grows linearly from `from` to the full length over `steps`
/// updates.
///
/// Short rows make the start of training more stable and cheaper (Li, Zhang and He 2022, "The Stability-Efficiency
/// Dilemma"). Unlike in that paper, longer rows are not truncated: a row is split into pieces, and the tokens of an
/// update stay the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LengthRamp {
    /// The length in the first update, in tokens, special tokens included.
    pub from: usize,
    /// The number of updates until rows are not split any more.
    pub steps: u64,
    /// Lengths during the warm-up are rounded down to a multiple of this, though not below `from`. This gives few
    /// different shapes, which suit the hardware.
    pub multiple_of: usize,
}

impl LengthRamp {
    /// The length of the longest row of update `step` (from 0), if rows have at most `full` tokens in the end; `None`
    /// from update `steps` on, when rows are not split.
    pub fn length(self, step: u64, full: usize) -> Option<usize> {
        let length = grow(self.from, full, step, self.steps);
        let rounded = length - length % self.multiple_of.max(1);
        (step < self.steps).then_some(rounded.max(self.from))
    }
}

/// Adds sequence-length warm-up to any batching rule that does not pack rows.
///
/// The rows of an update are those of the rule. A [`TokenBudget`](super::TokenBudget) counts them before they are
/// split. Each piece has special tokens of its own, and pieces are padded to the longest, so a micro-batch of pieces
/// may cost up to about twice its budget, in shorter rows.
#[derive(Clone)]
pub struct LengthWarmUp {
    rule: Arc<dyn Batching>,
    ramp: LengthRamp,
    full: usize,
}

impl LengthWarmUp {
    /// Applies `ramp` to `rule`, for rows of at most `full` tokens.
    ///
    /// # Errors
    /// If a length is 0, the ramp starts above `full`, or the rule packs rows.
    pub fn new(
        rule: Arc<dyn Batching>,
        ramp: LengthRamp,
        full: usize,
    ) -> Result<Self, BatchingError> {
        match ramp {
            LengthRamp { from: 0, .. } => Err(BatchingError::Zero(setting::LENGTH_RAMP_FROM)),
            LengthRamp { multiple_of: 0, .. } => {
                Err(BatchingError::Zero(setting::LENGTH_RAMP_MULTIPLE_OF))
            }
            LengthRamp { from, .. } if from > full => {
                Err(BatchingError::RampTooHigh { setting: setting::LENGTH_RAMP_FROM, from, full })
            }
            _ if rule.is_packed() => Err(BatchingError::PackedLengthRamp),
            _ => Ok(Self { rule, ramp, full }),
        }
    }
}

impl Batching for LengthWarmUp {
    fn steps(&self, from: Position) -> Box<dyn Iterator<Item = StepPlan> + Send> {
        let Self { ramp, full, .. } = *self;
        Box::new(self.rule.steps(from).map(move |plan| {
            let step = plan.end.step.saturating_sub(1);
            StepPlan { max_row_length: ramp.length(step, full), ..plan }
        }))
    }
}
