//! `[train]`'s keys on how rows become steps, as typed and as run.

use serde::{Deserialize, Serialize};

use super::duration::{Duration, Scale};
use super::error::Problem;

/// What an update is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BatchingName {
    /// A fixed number of rows.
    #[default]
    Rows,
    /// As many rows as a number of tokens has room for.
    Tokens,
    /// A fixed number of packs, each of rows that fill it together.
    Packs,
}

/// How rows become steps and micro-batches.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "batching", rename_all = "lowercase")]
pub(crate) enum Batching {
    /// A fixed number of rows.
    Rows { batch_size: usize, micro_batch_size: usize, batch_warmup: Option<BatchWarmup> },
    /// A budget of tokens.
    Tokens { max_tokens: usize, micro_max_tokens: usize, window: Option<usize> },
    /// Packs.
    Packs { pack_length: usize, packs_per_step: usize, micro_packs: usize, window: Option<usize> },
}

/// `train.batch_warmup`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchWarmup {
    /// Rows of the first update.
    pub(crate) from: usize,
    /// Until the full size is reached.
    pub(crate) duration: Duration,
}

/// `train.length_warmup`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LengthWarmup {
    /// Tokens of the longest row in the first update.
    pub(crate) from: usize,
    /// Until rows are whole.
    pub(crate) duration: Duration,
    /// Lengths on the way are rounded down to a multiple of this.
    #[serde(default = "one")]
    pub(crate) multiple_of: usize,
}

fn one() -> usize {
    1
}

impl Batching {
    /// Checks what the rules of batching cannot say before the data is read.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let (small, large) = match self {
            Self::Rows { batch_size, micro_batch_size, .. } => {
                (("micro_batch_size", *micro_batch_size), ("batch_size", *batch_size))
            }
            Self::Tokens { max_tokens, micro_max_tokens, .. } => {
                (("micro_max_tokens", *micro_max_tokens), ("max_tokens", *max_tokens))
            }
            Self::Packs { packs_per_step, micro_packs, .. } => {
                (("micro_packs", *micro_packs), ("packs_per_step", *packs_per_step))
            }
        };
        for (key, value) in [large, small] {
            if value == 0 {
                return Err(Problem::new(&format!("train.{key}"), "must be at least 1"));
            }
        }
        if small.1 > large.1 {
            let message = format!("is {}, more than train.{} ({})", small.1, large.0, large.1);
            return Err(Problem::new(&format!("train.{}", small.0), message));
        }
        Ok(())
    }

    /// Rows of one forward pass of an evaluation: about as much work as a micro-batch.
    pub(crate) fn eval_rows(&self, max_length: usize) -> usize {
        match self {
            Self::Rows { micro_batch_size, .. } => *micro_batch_size,
            Self::Tokens { micro_max_tokens, .. } => (micro_max_tokens / max_length.max(1)).max(1),
            Self::Packs { pack_length, micro_packs, .. } => {
                (micro_packs * pack_length / max_length.max(1)).max(1)
            }
        }
    }

    /// What a step is, for data of `rows` rows of `tokens_per_row` on average.
    pub(crate) fn scale(&self, rows: u64, tokens_per_row: f64) -> Scale {
        let rows_per_step = match self {
            Self::Rows { batch_size, .. } => *batch_size as f64,
            Self::Tokens { max_tokens, .. } => *max_tokens as f64 / tokens_per_row,
            Self::Packs { pack_length, packs_per_step, .. } => {
                (pack_length * packs_per_step) as f64 / tokens_per_row
            }
        };
        Scale { rows, rows_per_step: rows_per_step.max(1.0), tokens_per_row }
    }

    /// For the model card.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Rows { batch_size, .. } => format!("batches of {batch_size} rows"),
            Self::Tokens { max_tokens, .. } => format!("batches of {max_tokens} tokens"),
            Self::Packs { pack_length, packs_per_step, .. } => {
                format!("batches of {packs_per_step} packs of {pack_length} tokens")
            }
        }
    }
}
