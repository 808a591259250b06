//! The keys of `[train]` on batches: how rows become steps and micro-batches.

use serde::{Deserialize, Serialize};
use sst_data::setting;

use crate::recipe::duration::{Duration, Scale};
use crate::recipe::error::Problem;
use crate::recipe::limits::{MOST_LENGTH, MOST_ROWS, MOST_TOKENS_PER_STEP};
use crate::recipe::{Effect, Keys, RunConfig};

/// The keys of `[train]` that this file handles, as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BatchingFile {
    batching: Option<BatchingName>,
    batch_size: Option<usize>,
    micro_batch_size: Option<usize>,
    batch_warmup: Option<BatchWarmup>,
    max_tokens: Option<usize>,
    micro_max_tokens: Option<usize>,
    pack_length: Option<usize>,
    packs_per_step: Option<usize>,
    micro_packs: Option<usize>,
    window: Option<usize>,
    length_warmup: Option<LengthWarmup>,
    padding_free: Option<bool>,
}

/// How rows are grouped into steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BatchingName {
    /// A fixed number of rows.
    #[default]
    Rows,
    /// As many rows as fit into a number of tokens.
    Tokens,
    /// A fixed number of packs. A pack holds several rows that together have the pack's length.
    Packs,
}

/// The keys of `[train]` on batches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BatchingSection {
    /// How rows become steps and micro-batches.
    #[serde(flatten)]
    pub rule: Batching,
    /// Training starts with shorter rows. Default: full rows from the start.
    pub length_warmup: Option<LengthWarmup>,
    /// Rows are concatenated instead of padded to one length. Default: true.
    pub padding_free: bool,
}

/// `train.batching`: how rows are grouped into steps and micro-batches. A micro-batch is the input of one forward
/// pass; by default it is the whole step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "batching", rename_all = "lowercase")]
pub enum Batching {
    /// A fixed number of rows. This is the default.
    Rows {
        /// The number of rows per step. Default: 64.
        batch_size: usize,
        /// The number of rows per micro-batch.
        micro_batch_size: usize,
        /// Training starts with fewer rows per step. Default: none.
        batch_warmup: Option<BatchWarmup>,
    },
    /// As many rows as fit into a number of tokens.
    Tokens {
        /// The number of tokens per step. Default: 64 times `data.max_length`.
        max_tokens: usize,
        /// The number of tokens per micro-batch.
        micro_max_tokens: usize,
        /// The number of rows among which rows of similar length are searched.
        window: Option<usize>,
    },
    /// A fixed number of packs. A pack holds several rows that together have the pack's length.
    Packs {
        /// The number of tokens per pack. Default: `data.max_length`.
        pack_length: usize,
        /// The number of packs per step. Default: 64.
        packs_per_step: usize,
        /// The number of packs per micro-batch.
        micro_packs: usize,
        /// The number of rows among which rows that fill a pack are searched.
        window: Option<usize>,
    },
}

/// `train.batch_warmup`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchWarmup {
    /// The number of rows of the first step.
    pub from: usize,
    /// The time until the full size is reached.
    pub duration: Duration,
}

/// `train.length_warmup`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LengthWarmup {
    /// The largest row length in the first step.
    pub from: usize,
    /// The time until rows have their full length.
    pub duration: Duration,
    /// Intermediate lengths are rounded down to a multiple of this.
    #[serde(default = "one")]
    pub multiple_of: usize,
}

fn one() -> usize {
    1
}

pub(in crate::recipe) const KEYS: Keys = Keys {
    limits: &[
        ("train.batch_size", 1.0, MOST_ROWS),
        ("train.micro_batch_size", 1.0, MOST_ROWS),
        ("train.max_tokens", 1.0, MOST_TOKENS_PER_STEP as f64),
        ("train.micro_max_tokens", 1.0, MOST_TOKENS_PER_STEP as f64),
        ("train.pack_length", 1.0, MOST_LENGTH),
        ("train.packs_per_step", 1.0, MOST_ROWS),
        ("train.micro_packs", 1.0, MOST_ROWS),
        ("train.window", 1.0, 16_777_216.0),
        ("train.batch_warmup.from", 1.0, MOST_ROWS),
        ("train.length_warmup.from", 1.0, MOST_LENGTH),
        ("train.length_warmup.multiple_of", 1.0, MOST_LENGTH),
    ],
    may_differ: &[
        ("train.micro_batch_size", Effect::LastBits),
        ("train.micro_max_tokens", Effect::LastBits),
        ("train.micro_packs", Effect::LastBits),
        ("train.padding_free", Effect::LastBits),
    ],
    durations,
    settings: &[
        (setting::PACKED, "train.batching"),
        (setting::BATCH_SIZE, "train.batch_size"),
        (setting::MICRO_BATCH_SIZE, "train.micro_batch_size"),
        (setting::SIZE_RAMP_FROM, "train.batch_warmup.from"),
        (setting::MAX_TOKENS, "train.max_tokens"),
        (setting::MICRO_MAX_TOKENS, "train.micro_max_tokens"),
        (setting::PACK_LENGTH, "train.pack_length"),
        (setting::PACKS_PER_STEP, "train.packs_per_step"),
        (setting::MICRO_PACKS, "train.micro_packs"),
        (setting::WINDOW, "train.window"),
        (setting::LENGTH_WARM_UP, "train.length_warmup"),
        (setting::LENGTH_RAMP_FROM, "train.length_warmup.from"),
        (setting::LENGTH_RAMP_MULTIPLE_OF, "train.length_warmup.multiple_of"),
        (sst_objectives::setting::PADDING_FREE, "train.padding_free"),
    ],
    ..Keys::NONE
};

impl BatchingFile {
    /// Fills in the defaults. Keys of another kind of batching are refused.
    pub(super) fn fill(self, max_length: usize) -> Result<BatchingSection, Problem> {
        let name = self.batching.unwrap_or_default();
        let here = |kind| kind == name;
        for (key, given, kind, word) in [
            ("batch_size", self.batch_size.is_some(), BatchingName::Rows, "rows"),
            ("micro_batch_size", self.micro_batch_size.is_some(), BatchingName::Rows, "rows"),
            ("batch_warmup", self.batch_warmup.is_some(), BatchingName::Rows, "rows"),
            ("max_tokens", self.max_tokens.is_some(), BatchingName::Tokens, "tokens"),
            ("micro_max_tokens", self.micro_max_tokens.is_some(), BatchingName::Tokens, "tokens"),
            ("pack_length", self.pack_length.is_some(), BatchingName::Packs, "packs"),
            ("packs_per_step", self.packs_per_step.is_some(), BatchingName::Packs, "packs"),
            ("micro_packs", self.micro_packs.is_some(), BatchingName::Packs, "packs"),
        ] {
            if given && !here(kind) {
                let message = format!(
                    "applies only to train.batching = \"{word}\": remove this key, or change that one"
                );
                return Err(Problem::new(&format!("train.{key}"), message));
            }
        }
        if self.window.is_some() && here(BatchingName::Rows) {
            let message = "applies only to train.batching = \"tokens\" or \"packs\": remove this key, or change that one";
            return Err(Problem::new("train.window", message));
        }
        let rule = match name {
            BatchingName::Rows => {
                let batch_size = self.batch_size.unwrap_or(64);
                let micro_batch_size = self.micro_batch_size.unwrap_or(batch_size);
                Batching::Rows { batch_size, micro_batch_size, batch_warmup: self.batch_warmup }
            }
            BatchingName::Tokens => {
                let max_tokens = self.max_tokens.unwrap_or(64 * max_length);
                let micro_max_tokens = self.micro_max_tokens.unwrap_or(max_tokens);
                Batching::Tokens { max_tokens, micro_max_tokens, window: self.window }
            }
            BatchingName::Packs => {
                let packs_per_step = self.packs_per_step.unwrap_or(64);
                Batching::Packs {
                    pack_length: self.pack_length.unwrap_or(max_length),
                    packs_per_step,
                    micro_packs: self.micro_packs.unwrap_or(packs_per_step),
                    window: self.window,
                }
            }
        };
        let (length_warmup, padding_free) = (self.length_warmup, self.padding_free.unwrap_or(true));
        Ok(BatchingSection { rule, length_warmup, padding_free })
    }
}

impl BatchingSection {
    /// Makes the checks that need no data.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let (small, large) = match &self.rule {
            Batching::Rows { batch_size, micro_batch_size, .. } => {
                (("micro_batch_size", *micro_batch_size), ("batch_size", *batch_size))
            }
            Batching::Tokens { max_tokens, micro_max_tokens, .. } => {
                (("micro_max_tokens", *micro_max_tokens), ("max_tokens", *max_tokens))
            }
            Batching::Packs { packs_per_step, micro_packs, .. } => {
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

    /// The key for the size of a step, and the largest number of tokens that a step may have with rows of
    /// `max_length`.
    pub(in crate::recipe) fn most_tokens(&self, max_length: u64) -> (&'static str, u64) {
        match self.rule {
            Batching::Rows { batch_size, .. } => {
                ("train.batch_size", batch_size as u64 * max_length)
            }
            Batching::Tokens { max_tokens, .. } => ("train.max_tokens", max_tokens as u64),
            Batching::Packs { pack_length, packs_per_step, .. } => {
                ("train.packs_per_step", pack_length as u64 * packs_per_step as u64)
            }
        }
    }
}

impl Batching {
    /// The number of rows in a forward pass of an evaluation, which costs about as much as a micro-batch.
    pub(crate) fn eval_rows(&self, max_length: usize) -> usize {
        match self {
            Self::Rows { micro_batch_size, .. } => *micro_batch_size,
            Self::Tokens { micro_max_tokens, .. } => (micro_max_tokens / max_length.max(1)).max(1),
            Self::Packs { pack_length, micro_packs, .. } => {
                (micro_packs * pack_length / max_length.max(1)).max(1)
            }
        }
    }

    /// The size of a step, for `rows` rows with `tokens_per_row` tokens on average.
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

    /// Describes the batches for the model card.
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

fn durations(config: &RunConfig) -> Vec<(String, Duration)> {
    let batching = &config.train.batching;
    let mut found = Vec::new();
    if let Batching::Rows { batch_warmup: Some(warmup), .. } = batching.rule {
        found.push(("train.batch_warmup.duration".to_owned(), warmup.duration));
    }
    if let Some(warmup) = batching.length_warmup {
        found.push(("train.length_warmup.duration".to_owned(), warmup.duration));
    }
    found
}
