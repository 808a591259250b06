//! Sequence-length warm-up: short rows first, by splitting the long ones.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ramp::grow;
use super::{Batching, BatchingError, Position, StepPlan};

/// The longest row of an update, growing linearly from `from` over `steps` updates.
///
/// Short rows first make the start of training stabler and cheaper (Li, Zhang and He 2022, "The
/// Stability-Efficiency Dilemma"). Unlike there, what is beyond the length is not cut off: a row is
/// split into pieces, and the tokens of an update stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LengthRamp {
    /// The length in the first update, in tokens, special ones included.
    pub from: usize,
    /// Updates until rows are whole.
    pub steps: u64,
    /// Lengths on the way are rounded down to a multiple of this, though not below `from`: few
    /// different shapes, and the ones that hardware likes.
    pub multiple_of: usize,
}

impl LengthRamp {
    /// The longest row of update `step` (from 0), for rows of at most `full` tokens in the end;
    /// `None` from update `steps` on, when rows are whole.
    pub fn length(self, step: u64, full: usize) -> Option<usize> {
        let length = grow(self.from, full, step, self.steps);
        let rounded = length - length % self.multiple_of.max(1);
        (step < self.steps).then_some(rounded.max(self.from))
    }
}

/// Any rule for unpacked rows, with a limit on their length that grows.
///
/// Rows of an update are those of the rule. A [`TokenBudget`](super::TokenBudget) counts them whole:
/// each piece has special tokens of its own and pieces are padded to the longest, so that a
/// micro-batch of pieces may cost up to about twice its budget, in rows that are shorter.
#[derive(Clone)]
pub struct LengthWarmUp {
    rule: Arc<dyn Batching>,
    ramp: LengthRamp,
    full: usize,
}

impl LengthWarmUp {
    /// `rule` under `ramp`, for rows of at most `full` tokens.
    ///
    /// # Errors
    /// If a length is 0, the ramp starts above `full`, or the rule packs rows.
    pub fn new(
        rule: Arc<dyn Batching>,
        ramp: LengthRamp,
        full: usize,
    ) -> Result<Self, BatchingError> {
        match ramp {
            LengthRamp { from: 0, .. } => Err(BatchingError::Zero("length_warmup.from")),
            LengthRamp { multiple_of: 0, .. } => {
                Err(BatchingError::Zero("length_warmup.multiple_of"))
            }
            LengthRamp { from, .. } if from > full => {
                Err(BatchingError::RampTooHigh { key: "length_warmup.from", from, full })
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
