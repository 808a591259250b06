//! The errors of this crate.

use sst_data::rows::DatasetError;
use sst_data::tokenize::TokenizeError;
use sst_data::{CollateError, Key};

use crate::input_kind::InputKind;
use crate::nearest::NearestError;

/// Why a model could not be measured or used.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// An evaluator that is not in the list.
    #[error("there is no evaluator `{name}`; there are {}", known.join(", "))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: Vec<&'static str>,
    },
    /// A configuration with an unknown key, or with a value that cannot be.
    #[error("evaluator `{evaluator}`: {reason}")]
    Config {
        /// The evaluator.
        evaluator: &'static str,
        /// What is wrong, with the key.
        reason: String,
    },
    /// Data of another kind than the evaluator reads.
    #[error("evaluator `{evaluator}` reads {wanted}, and was given {given}")]
    Input {
        /// The evaluator.
        evaluator: &'static str,
        /// What it reads.
        wanted: InputKind,
        /// What it was given.
        given: InputKind,
    },
    /// The evaluator measures an objective, and was called without one.
    #[error("evaluator `{0}` measures the loss of an objective: pass the objective to `evaluate`")]
    NoObjective(&'static str),
    /// Texts could not be read, or vectors could not be made. The error is of the caller who does it.
    #[error("{0}")]
    Source(String),
    /// There is nothing to measure on.
    #[error("{0} has nothing to measure: no row of the data holds a token to predict")]
    Nothing(String),
    /// A text without a blank.
    #[error("the text `{text}` holds no {mask}: write {mask} where a word is to be filled in")]
    NoBlank {
        /// The text.
        text: String,
        /// The mask token.
        mask: String,
    },
    /// A tokenizer that cannot mark a blank.
    #[error("the tokenizer has no mask token: use the one of a masked language model")]
    NoMaskToken,
    /// A text that the model cannot read in one row.
    #[error("the text has {length} tokens and the model reads {limit}: shorten it")]
    TooLong {
        /// Its tokens, special ones included.
        length: usize,
        /// The longest row of the model.
        limit: usize,
    },
    /// A prompt of no token.
    #[error("a prompt has no token to continue: give it a text")]
    EmptyPrompt,
    /// A prompt that leaves no position for another token.
    #[error("a prompt has {length} tokens and the model reads {limit}: shorten it to leave room")]
    LongPrompt {
        /// Its tokens.
        length: usize,
        /// The longest row of the model.
        limit: usize,
    },
    /// A row that the model cannot read.
    #[error(
        "the row that begins at {key} holds token {id}, and the model knows ids below {vocab_size}: use the tokenizer \
         that the model was trained with"
    )]
    UnknownToken {
        /// Where the row's text was read from.
        key: Key,
        /// The token.
        id: u32,
        /// The model's ids are below this.
        vocab_size: usize,
    },
    /// A window that cannot slide over a text.
    #[error("{0}")]
    SlidingWindow(String),
    /// A model whose weights are damaged, or whose numbers overflow. The caller adds the model's name.
    #[error(
        "{0} is not a finite number (NaN or infinity): the weights are damaged, or overflow in this precision; try an \
         earlier checkpoint, or fp32"
    )]
    NotFinite(String),
    /// A search that follows no sequence.
    #[error("beam search needs at least one beam")]
    NoBeams,
    /// Scores or cosines that are all the same, or none.
    #[error(
        "scores and cosines correlate only where both differ from pair to pair, and these do not"
    )]
    NoCorrelation,
    /// Vectors could not be compared.
    #[error(transparent)]
    Nearest(#[from] NearestError),
    /// A row could not be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Rows could not be turned into a batch.
    #[error(transparent)]
    Collate(#[from] CollateError),
    /// A text could not be tokenised.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// The model or libtorch failed.
    #[error(transparent)]
    Core(#[from] sst_core::Error),
}

impl From<sst_kernels::Error> for EvalError {
    fn from(error: sst_kernels::Error) -> Self {
        Self::Core(error.into())
    }
}

impl From<tch::TchError> for EvalError {
    fn from(error: tch::TchError) -> Self {
        Self::Core(error.into())
    }
}

/// An evaluator is called through a trait of sst-core. Its own errors pass through as
/// [`sst_core::Error::Evaluation`], from which they can be downcast.
impl From<EvalError> for sst_core::Error {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Core(error) => error,
            other => Self::Evaluation(Box::new(other)),
        }
    }
}
