//! The errors of this crate.

use sst_data::rows::DatasetError;
use sst_data::tokenize::TokenizeError;
use sst_data::{CollateError, Key};

use crate::input_kind::InputKind;
use crate::nearest::NearestError;

/// Why a model could not be measured or used.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The list has no evaluator of this name.
    #[error("there is no evaluator `{name}`; there are {}", known.join(", "))]
    Unknown {
        /// The requested name.
        name: String,
        /// The names that exist.
        known: Vec<&'static str>,
    },
    /// The configuration has an unknown key or an invalid value.
    #[error("evaluator `{evaluator}`: {reason}")]
    Config {
        /// The name of the evaluator.
        evaluator: &'static str,
        /// The key, if one is at fault.
        key: Option<String>,
        /// What is wrong, with the key.
        reason: String,
    },
    /// The data is of another kind than the evaluator reads.
    #[error("evaluator `{evaluator}` reads {wanted}, and was given {given}")]
    Input {
        /// The name of the evaluator.
        evaluator: &'static str,
        /// The kind of data that the evaluator reads.
        wanted: InputKind,
        /// The kind of data that it was given.
        given: InputKind,
    },
    /// The evaluator measures the loss of an objective, and was called without one.
    #[error("evaluator `{0}` measures the loss of an objective: pass the objective to `evaluate`")]
    NoObjective(&'static str),
    /// An error of the caller's [`TextSource`](crate::TextSource) or [`TextVectors`](crate::TextVectors).
    #[error("{0}")]
    Source(String),
    /// The data holds nothing to measure on. The string names the evaluator.
    #[error("{0} has nothing to measure: no row of the data holds a token to predict")]
    Nothing(String),
    /// A loss that compares the rows of a batch with each other has batches of one row.
    #[error(
        "the loss of `{objective}` compares the rows of a batch with each other, and a batch has only one held-out row here \
         (batch size {batch_size}): hold out more rows, or enlarge the batch"
    )]
    OneRow {
        /// The name of the objective.
        objective: String,
        /// The batch size of the evaluator.
        batch_size: usize,
    },
    /// The text holds no mask token.
    #[error("the text `{text}` holds no {mask}: write {mask} where a word is to be filled in")]
    NoMaskInText {
        /// The text.
        text: String,
        /// The mask token.
        mask: String,
    },
    /// The tokenizer has no mask token.
    #[error("the tokenizer has no mask token: use the tokenizer of a masked language model")]
    NoMaskToken,
    /// The text is longer than the maximum length of the model.
    #[error("the text has {length} tokens, but the model reads at most {limit}: shorten the text")]
    TooLong {
        /// The number of tokens, special tokens included.
        length: usize,
        /// The maximum length of the model.
        limit: usize,
    },
    /// The prompt has no tokens.
    #[error("the prompt is empty: give it at least one token")]
    EmptyPrompt,
    /// The prompt leaves no position for a new token.
    #[error(
        "the prompt has {length} tokens, but the model reads at most {limit}: shorten the prompt to leave room for new \
         tokens"
    )]
    LongPrompt {
        /// The number of tokens.
        length: usize,
        /// The maximum length of the model.
        limit: usize,
    },
    /// A row holds a token id outside of the model's vocabulary.
    #[error(
        "the row that begins at {key} holds the token id {id}, but the model knows ids below {vocab_size}: use the \
         tokenizer that the model was trained with"
    )]
    UnknownToken {
        /// The origin of the row's text.
        key: Key,
        /// The token id.
        id: u32,
        /// The vocabulary size of the model.
        vocab_size: usize,
    },
    /// The length or the stride of the sliding window is invalid.
    #[error("{reason}")]
    SlidingWindow {
        /// The keys of the evaluator's configuration to change.
        keys: &'static [&'static str],
        /// What is wrong and what to do.
        reason: String,
    },
    /// A result is NaN or infinite. The string names it; the caller adds the name of the model.
    #[error(
        "{0} is not a finite number (NaN or infinity): the weights are damaged, or overflow in this precision; try an \
         earlier checkpoint, or fp32"
    )]
    NotFinite(String),
    /// The labels of the data are not those of the model.
    #[error("the data has the label `{label}`, and the model knows {known}")]
    UnknownLabel {
        /// The label.
        label: String,
        /// The labels of the model.
        known: String,
    },
    /// A label with too few training rows.
    #[error(
        "`{evaluator}` needs {needed} training {what} of each label, and `{label}` has {count}: give more {what} with this \
         label, or remove those that have it"
    )]
    FewRows {
        /// The name of the evaluator.
        evaluator: &'static str,
        /// The label.
        label: String,
        /// `texts` or `pictures`.
        what: &'static str,
        /// How many rows have it.
        count: usize,
        /// How many are needed.
        needed: usize,
    },
    /// Pictures have no such pooling.
    #[error("{0}")]
    PicturePooling(String),
    /// The head has more outputs than the evaluator measures.
    #[error(
        "the head of the model predicts {outputs} numbers, and `{evaluator}` measures heads that predict one"
    )]
    Outputs {
        /// The name of the evaluator.
        evaluator: &'static str,
        /// The number of outputs.
        outputs: usize,
    },
    /// The outputs of a token-classification head are no labels of entities.
    #[error("the outputs of the model are no labels of entities: {0}")]
    Entities(#[from] sst_data::entities::EntityError),
    /// A row lacks a field that the evaluator reads.
    #[error("{key} has no field `{field}`, which the evaluator reads")]
    MissingField {
        /// The origin of the row.
        key: Key,
        /// The name of the field.
        field: String,
    },
    /// A probe could not be trained or measured.
    #[error(transparent)]
    Probe(#[from] crate::probe::ProbeError),
    /// A metric could not be computed.
    #[error(transparent)]
    Metric(#[from] crate::metric::MetricError),
    /// Beam search was called with no beams.
    #[error("beam search needs at least one beam")]
    NoBeams,
    /// There are fewer than two pairs, or all scores or all cosines are equal.
    #[error(
        "there is no correlation: it needs at least two pairs, with scores and cosine similarities that are not all equal"
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

impl EvalError {
    /// The keys of the evaluator's configuration that the error is about.
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Self::SlidingWindow { keys, .. } => keys.to_vec(),
            Self::Config { key, .. } => key.iter().map(String::as_str).collect(),
            Self::PicturePooling(_) => vec!["pooling"],
            _ => Vec::new(),
        }
    }
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

/// Evaluators are called through a trait of sst-core, so their errors are wrapped in [`sst_core::Error::Evaluation`],
/// from which they can be downcast.
impl From<EvalError> for sst_core::Error {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Core(error) => error,
            other => Self::Evaluation(Box::new(other)),
        }
    }
}
