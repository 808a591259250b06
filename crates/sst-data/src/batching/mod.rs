//! Rules that group samples into steps. The steps are a pure function of a position, which is two integers.
//!
//! A rule is a [`Batching`]. [`FixedBatches`] counts rows, [`TokenBudget`] counts tokens, [`Packed`]
//! fills packs; all three show every row of an epoch once. Rules that can also make a single step of
//! rows that someone else draws are [`Fill`], which is what
//! [`Curriculum`](crate::curriculum::Curriculum) builds on. [`LengthWarmUp`] wraps any rule.

mod budget;
mod epochs;
mod fixed;
mod length;
mod packed;
mod plan;
mod ramp;
mod window;

use crate::setting::{self, NamesSettings, Setting};

pub use budget::{BudgetConfig, Cost, TokenBudget};
pub use fixed::FixedBatches;
pub use length::{LengthRamp, LengthWarmUp};
pub use packed::{PackConfig, Packed};
pub use plan::{Pool, Position, SampleRef, StepPlan};
pub use ramp::SizeRamp;

/// A rule that groups samples into steps. It is a pure function: the same position gives the same steps.
pub trait Batching: Send + Sync {
    /// The steps after position `from`. They are endless unless the rule says otherwise.
    fn steps(&self, from: Position) -> Box<dyn Iterator<Item = StepPlan> + Send>;

    /// Whether rows are packed, so that its plans have [`StepPlan::packs`].
    fn is_packed(&self) -> bool {
        false
    }
}

/// A batching rule that can also make a single step from rows that the caller draws.
pub trait Fill: Batching {
    /// The step after `from`. It takes as many rows from the front of `draws` as the rule puts into a step;
    /// `draws` must be endless or long enough. `Position::sample` does not change, because these rows are not
    /// taken from the epochs.
    fn fill(&self, from: Position, draws: &mut dyn Iterator<Item = SampleRef>) -> StepPlan;
}

/// Why a batching rule cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BatchingError {
    /// No samples.
    #[error(
        "the data set has no rows: check which files are read, how they are cleaned and how much is held out"
    )]
    Empty,
    /// A size is zero.
    #[error("{0} must be at least 1")]
    Zero(Setting),
    /// The micro-batch is larger than the batch.
    #[error("`micro_batch_size` ({micro}) is larger than `batch_size` ({batch})")]
    MicroTooLarge {
        /// Samples in a micro-batch.
        micro: usize,
        /// Samples in a batch.
        batch: usize,
    },
    /// The token budget of a micro-batch is larger than that of a step.
    #[error("`micro_max_tokens` ({micro}) is larger than `max_tokens` ({max})")]
    MicroOverBudget {
        /// Tokens of a micro-batch.
        micro: usize,
        /// Tokens of a step.
        max: usize,
    },
    /// A micro-batch has more packs than a step.
    #[error("`micro_packs` ({micro}) is larger than `packs_per_step` ({packs})")]
    MicroOverPacks {
        /// Packs in a micro-batch.
        micro: usize,
        /// Packs in a step.
        packs: usize,
    },
    /// A row is longer than a step, micro-batch or pack may be.
    #[error(
        "the row that begins at {row} has {length} tokens, more than the {limit} of {setting}: raise that to {length}, \
         or lower the `max_length` of rows to {limit}"
    )]
    RowTooLong {
        /// The file and line, as in [`crate::Key`].
        row: String,
        /// Its tokens, special ones included.
        length: usize,
        /// The setting that is the limit.
        setting: Setting,
        /// The tokens that fit.
        limit: usize,
    },
    /// A warm-up starts above the value that it should grow to.
    #[error("{setting} is {from}, above the {full} that it should grow to: lower it")]
    RampTooHigh {
        /// The setting of the warm-up.
        setting: Setting,
        /// Where it starts.
        from: usize,
        /// Where it should end.
        full: usize,
    },
    /// Rows are both packed and split.
    #[error(
        "`LengthWarmUp` cannot split packed rows, whose pieces might overflow their pack: remove it, or use another \
         rule than `Packed`"
    )]
    PackedLengthRamp,
}

impl NamesSettings for BatchingError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::Empty => vec![setting::PATHS, setting::CLEAN, setting::FRACTION],
            Self::Zero(setting) | Self::RampTooHigh { setting, .. } => vec![*setting],
            Self::MicroTooLarge { .. } => vec![setting::MICRO_BATCH_SIZE, setting::BATCH_SIZE],
            Self::MicroOverBudget { .. } => vec![setting::MICRO_MAX_TOKENS, setting::MAX_TOKENS],
            Self::MicroOverPacks { .. } => vec![setting::MICRO_PACKS, setting::PACKS_PER_STEP],
            Self::RowTooLong { setting, .. } => vec![*setting, setting::MAX_LENGTH],
            Self::PackedLengthRamp => vec![setting::LENGTH_WARM_UP, setting::PACKED],
        }
    }
}
