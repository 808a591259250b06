//! `[train]`'s keys on how rows become steps, as typed and as run.

use serde::{Deserialize, Serialize};

use super::duration::{Duration, Scale};
use super::error::Problem;
use super::file::TrainFile;

/// What an update is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchingName {
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
pub enum Batching {
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
pub struct BatchWarmup {
    /// Rows of the first update.
    pub from: usize,
    /// Until the full size is reached.
    pub duration: Duration,
}

/// `train.length_warmup`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LengthWarmup {
    /// Tokens of the longest row in the first update.
    pub from: usize,
    /// Until rows are whole.
    pub duration: Duration,
    /// Lengths on the way are rounded down to a multiple of this.
    #[serde(default = "one")]
    pub multiple_of: usize,
}

fn one() -> usize {
    1
}

impl Batching {
    /// What `[train]` says, its defaults filled in. Keys of another kind of batching are refused.
    pub(super) fn fill(file: &TrainFile, max_length: usize) -> Result<Self, Problem> {
        let name = file.batching.unwrap_or_default();
        let here = |kind| kind == name;
        for (key, given, kind, word) in [
            ("batch_size", file.batch_size.is_some(), BatchingName::Rows, "rows"),
            ("micro_batch_size", file.micro_batch_size.is_some(), BatchingName::Rows, "rows"),
            ("batch_warmup", file.batch_warmup.is_some(), BatchingName::Rows, "rows"),
            ("max_tokens", file.max_tokens.is_some(), BatchingName::Tokens, "tokens"),
            ("micro_max_tokens", file.micro_max_tokens.is_some(), BatchingName::Tokens, "tokens"),
            ("pack_length", file.pack_length.is_some(), BatchingName::Packs, "packs"),
            ("packs_per_step", file.packs_per_step.is_some(), BatchingName::Packs, "packs"),
            ("micro_packs", file.micro_packs.is_some(), BatchingName::Packs, "packs"),
        ] {
            if given && !here(kind) {
                let message = format!("is for train.batching = \"{word}\"");
                return Err(Problem::new(&format!("train.{key}"), message));
            }
        }
        if file.window.is_some() && here(BatchingName::Rows) {
            let message = "is for train.batching = \"tokens\" or \"packs\"";
            return Err(Problem::new("train.window", message));
        }
        Ok(match name {
            BatchingName::Rows => {
                let batch_size = file.batch_size.unwrap_or(64);
                let micro_batch_size = file.micro_batch_size.unwrap_or(batch_size);
                Self::Rows { batch_size, micro_batch_size, batch_warmup: file.batch_warmup }
            }
            BatchingName::Tokens => {
                let max_tokens = file.max_tokens.unwrap_or(64 * max_length);
                let micro_max_tokens = file.micro_max_tokens.unwrap_or(max_tokens);
                Self::Tokens { max_tokens, micro_max_tokens, window: file.window }
            }
            BatchingName::Packs => {
                let packs_per_step = file.packs_per_step.unwrap_or(64);
                Self::Packs {
                    pack_length: file.pack_length.unwrap_or(max_length),
                    packs_per_step,
                    micro_packs: file.micro_packs.unwrap_or(packs_per_step),
                    window: file.window,
                }
            }
        })
    }

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
    pub fn eval_rows(&self, max_length: usize) -> usize {
        match self {
            Self::Rows { micro_batch_size, .. } => *micro_batch_size,
            Self::Tokens { micro_max_tokens, .. } => (micro_max_tokens / max_length.max(1)).max(1),
            Self::Packs { pack_length, micro_packs, .. } => {
                (micro_packs * pack_length / max_length.max(1)).max(1)
            }
        }
    }

    /// What a step is, for data of `rows` rows of `tokens_per_row` on average.
    pub fn scale(&self, rows: u64, tokens_per_row: f64) -> Scale {
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
    pub fn describe(&self) -> String {
        match self {
            Self::Rows { batch_size, .. } => format!("batches of {batch_size} rows"),
            Self::Tokens { max_tokens, .. } => format!("batches of {max_tokens} tokens"),
            Self::Packs { pack_length, packs_per_step, .. } => {
                format!("batches of {packs_per_step} packs of {pack_length} tokens")
            }
        }
    }
}
