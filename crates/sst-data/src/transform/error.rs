//! The errors of transforms.

use crate::augment::AugmentError;
use crate::example::Key;

/// Why a transform could not be built or applied.
#[derive(Debug, thiserror::Error)]
pub enum TransformError {
    /// sst has no transform of this name.
    #[error("there is no transform `{name}`; sst has {known}", known = known.join(", "))]
    Unknown {
        /// The requested name.
        name: String,
        /// The names that exist.
        known: Vec<&'static str>,
    },
    /// A configuration has no name.
    #[error("a transform needs a name: set name to one of {known}", known = known.join(", "))]
    NoName {
        /// The names that exist.
        known: Vec<&'static str>,
    },
    /// A configuration key is unknown, of the wrong type, or has an invalid value.
    #[error("transform `{transform}`: {reason}")]
    Config {
        /// The name of the transform.
        transform: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The configuration names a column that holds no texts.
    #[error(
        "transform `{transform}` cannot change column `{column}`, which is not a text column: the text columns are {known}"
    )]
    NoSuchColumn {
        /// The name of the transform.
        transform: String,
        /// The column.
        column: String,
        /// The text columns.
        known: String,
    },
    /// The transform would change a text that spans point into.
    #[error(
        "transform `{transform}` would change the text of column `{text}`, and the spans of column `{spans}` would no \
         longer fit: remove the transform, or name other columns for it"
    )]
    HasSpans {
        /// The name of the transform.
        transform: String,
        /// The column of the text.
        text: String,
        /// The column of the spans.
        spans: String,
    },
    /// The example lacks a text that the transform would change.
    #[error("{key}: the example has no text `{column}` to transform")]
    NoText {
        /// The key of the example.
        key: Key,
        /// The column.
        column: String,
    },
    /// An augmentation could not be built or applied.
    #[error(transparent)]
    Augment(#[from] AugmentError),
}
