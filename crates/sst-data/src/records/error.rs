//! What can be wrong with records, with the place and what to do.

use crate::example::Key;
use crate::lock::LockError;
use crate::read::ReadError;
use crate::store::StoreError;
use crate::tokenize::TokenizeError;
use crate::transform::TransformError;

/// What is wrong with a value of one record.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// The record lacks the field, or it is null.
    #[error("{key} has no value in field `{field}`: fill it in, or choose another field")]
    Missing {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
    },
    /// A text without a character.
    #[error("{key}: the text in field `{field}` is empty: fill it in, or remove the record")]
    EmptyText {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
    },
    /// A value of another kind than the column's.
    #[error("{key}: field `{field}` {reason}")]
    BadValue {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
        /// What is there and what to do.
        reason: String,
    },
    /// A label that is not in the table that was given.
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
    /// The ledger's name for a record that is left out because of it.
    pub fn ledger_name(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "records.missing_field",
            Self::EmptyText { .. } => "records.empty_text",
            Self::BadValue { .. } => "records.bad_value",
            Self::UnknownLabel { .. } => "records.unknown_label",
        }
    }

    /// The line or row.
    pub fn key(&self) -> &Key {
        match self {
            Self::Missing { key, .. }
            | Self::EmptyText { key, .. }
            | Self::BadValue { key, .. }
            | Self::UnknownLabel { key, .. } => key,
        }
    }
}

/// Why records cannot be prepared or made rows of.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// No column of texts.
    #[error("records need a column of texts: name the field that holds the text")]
    NoText,
    /// A column that does not go with the others.
    #[error("column `{column}`: {reason}: choose another column")]
    BadColumn {
        /// The column.
        column: String,
        /// What is wrong.
        reason: String,
    },
    /// A table of labels that is none, or is of no column.
    #[error("the labels of column `{column}` {reason}")]
    BadLabels {
        /// The column.
        column: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A value is wrong.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// A text cannot be tokenised.
    #[error("{key}: {error}")]
    Tokenize {
        /// The record.
        key: Key,
        /// What is wrong.
        #[source]
        error: TokenizeError,
    },
    /// The tokenizer frames no pairs.
    #[error(transparent)]
    Pairs(TokenizeError),
    /// The store cannot be written or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cache cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No record is left.
    #[error("no record is left of {0}: see the ledger for what was left out")]
    Empty(String),
    /// A sequence has no room for a token of each of its texts.
    #[error(
        "data.max_length is {max_length}, but the special tokens alone take {special}: raise it to {least} or more"
    )]
    NoRoom {
        /// Tokens of a sequence at most.
        max_length: usize,
        /// Its special tokens.
        special: usize,
        /// What it needs at least.
        least: usize,
    },
    /// The fraction is not one.
    #[error("data.validation is {0}: it must be at least 0 and below 1")]
    BadFraction(f64),
    /// A transform does not go with the columns.
    #[error(transparent)]
    Transform(#[from] TransformError),
    /// The store was prepared with another tokenizer.
    #[error("the records were prepared with another tokenizer: prepare them with this one")]
    OtherTokenizer,
}
