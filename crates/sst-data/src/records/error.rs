//! Errors of records, with the place and what to do.

use crate::example::Key;
use crate::lock::LockError;
use crate::read::ReadError;
use crate::setting::{self, NamesSettings, Setting};
use crate::store::StoreError;
use crate::tokenize::TokenizeError;
use crate::transform::TransformError;

/// The error of a value of one record.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// The record lacks the field.
    #[error("{key} has no field `{field}`{found}: {advice}")]
    NoField {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
        /// Which fields exist, or why there are none; empty if that is not known.
        found: String,
        /// What to do.
        advice: &'static str,
        /// The setting that names the field.
        setting: Option<Setting>,
    },
    /// The field is null.
    #[error("{key} has no value in field `{field}`: fill it in, or choose another field")]
    Missing {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
        /// The setting that names the field.
        setting: Option<Setting>,
    },
    /// The text is empty.
    #[error("{key}: the text in field `{field}` is empty: fill it in, or remove the record")]
    EmptyText {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
    },
    /// The value is of another kind than the column.
    #[error("{key}: field `{field}` {reason}")]
    BadValue {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
        /// The value, and what to do.
        reason: String,
        /// The setting that names the field.
        setting: Option<Setting>,
    },
    /// The text does not have the span's own text, such as the answer of a question, where the span is.
    #[error("{key}: field `{field}` {reason}")]
    MisplacedSpan {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
        /// Both texts, and what to do.
        reason: String,
    },
    /// Two entities share characters.
    #[error("{key}: field `{field}` {reason}")]
    OverlappingEntities {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
        /// Both entities, and what to do.
        reason: String,
    },
    /// The label is not in the given table.
    #[error(
        "{key}: the label `{label}` in field `{field}` is none of {known}: correct it, or give a table of labels that \
         has it"
    )]
    UnknownLabel {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
        /// The label.
        label: String,
        /// The first labels of the table.
        known: String,
    },
}

impl ColumnError {
    /// The name under which the ledger counts a record that is skipped because of this error.
    pub fn ledger_name(&self) -> &'static str {
        match self {
            Self::NoField { .. } | Self::Missing { .. } => "records.missing_field",
            Self::EmptyText { .. } => "records.empty_text",
            Self::BadValue { .. } => "records.bad_value",
            Self::MisplacedSpan { .. } => "records.misplaced_spans",
            Self::OverlappingEntities { .. } => "records.overlapping_entities",
            Self::UnknownLabel { .. } => "records.unknown_label",
        }
    }

    /// The line or row.
    pub fn key(&self) -> &Key {
        match self {
            Self::NoField { key, .. }
            | Self::Missing { key, .. }
            | Self::EmptyText { key, .. }
            | Self::BadValue { key, .. }
            | Self::MisplacedSpan { key, .. }
            | Self::OverlappingEntities { key, .. }
            | Self::UnknownLabel { key, .. } => key,
        }
    }
}

impl NamesSettings for ColumnError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::NoField { setting, .. }
            | Self::Missing { setting, .. }
            | Self::BadValue { setting, .. } => setting.iter().copied().collect(),
            Self::UnknownLabel { .. } => vec![setting::LABELS],
            Self::EmptyText { .. }
            | Self::MisplacedSpan { .. }
            | Self::OverlappingEntities { .. } => Vec::new(),
        }
    }
}

/// Why records cannot be prepared, or rows cannot be made of them.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// There is no text column.
    #[error("records need a column of texts: name the field that holds the text")]
    NoText,
    /// A column is not compatible with the others.
    #[error("column `{column}`: {reason}: choose another column")]
    BadColumn {
        /// The column.
        column: String,
        /// The problem.
        reason: String,
    },
    /// A given table of labels is not valid, or its column does not exist.
    #[error("the labels of column `{column}` {reason}")]
    BadLabels {
        /// The column.
        column: String,
        /// The problem and what to do.
        reason: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A value of a record is not valid.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// A text cannot be tokenized.
    #[error("{key}: {error}")]
    Tokenize {
        /// The record.
        key: Key,
        /// The problem.
        #[source]
        error: TokenizeError,
    },
    /// The tokenizer has no template for pairs.
    #[error(transparent)]
    Pairs(TokenizeError),
    /// The store cannot be written or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cache cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No record is left after skipping.
    #[error("no record is left of {0}: see the ledger for what was left out")]
    Empty(String),
    /// A sequence has no room for a token of each of its texts.
    #[error(
        "`max_length` is {max_length}, but the special tokens alone take {special}: raise it to {least} or more"
    )]
    NoRoom {
        /// The most tokens of a sequence.
        max_length: usize,
        /// The number of its special tokens.
        special: usize,
        /// The fewest tokens that it needs.
        least: usize,
    },
    /// The text that is to be read in windows is not one that can be, or the windows are too short.
    #[error("column `{column}` cannot be read in windows: {reason}")]
    BadWindow {
        /// The column.
        column: String,
        /// The problem and what to do.
        reason: String,
    },
    /// The first text of a pair leaves no room for a window of the second one.
    #[error(
        "{key}: the text in column `{first}` has {tokens} tokens, which leaves {room} of {max_length} for a window of \
         column `{text}`, and windows share {stride} tokens: raise the longest length to {least} or more, lower the \
         stride, or shorten the text"
    )]
    NoRoomForWindow {
        /// The record.
        key: Key,
        /// The column with the first text.
        first: Box<str>,
        /// The number of its tokens.
        tokens: usize,
        /// The column with the text that is read in windows.
        text: Box<str>,
        /// The number of tokens that are left for a window.
        room: usize,
        /// The most tokens of a sequence.
        max_length: usize,
        /// The number of tokens that a window shares with the next one.
        stride: usize,
        /// The length of a sequence in which the window would have room.
        least: usize,
    },
    /// A transform changes a text whose tokens are counted for the windows.
    #[error(
        "transform `{transform}` changes the text of column `{text}`, whose tokens are counted for the windows before: \
         remove the transform, or name other columns for it"
    )]
    TransformInWindow {
        /// The transform.
        transform: String,
        /// The column of the text.
        text: String,
    },
    /// The validation fraction is not in `[0, 1)`.
    #[error("`fraction` is {0}: it must be at least 0 and below 1")]
    BadFraction(f64),
    /// A transform is not compatible with the columns.
    #[error(transparent)]
    Transform(#[from] TransformError),
    /// The store was prepared with another tokenizer.
    #[error("the records were prepared with another tokenizer: prepare them with this one")]
    OtherTokenizer,
}

impl NamesSettings for RecordsError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::Read(error) => error.settings(),
            Self::Column(error) => error.settings(),
            Self::NoRoom { .. } => vec![setting::MAX_LENGTH],
            Self::BadFraction(_) => vec![setting::FRACTION],
            _ => Vec::new(),
        }
    }
}
