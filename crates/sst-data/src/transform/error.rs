//! Why an example could not be transformed.

use crate::augment::AugmentError;
use crate::example::Key;

/// Why a transform could not be built or applied.
#[derive(Debug, thiserror::Error)]
pub enum TransformError {
    /// A transform that sst does not have.
    #[error("there is no transform `{name}`; sst has {known}", known = known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// A configuration without a name.
    #[error("a transform needs a name: set name to one of {known}", known = known.join(", "))]
    NoName {
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// A configuration key that is unknown, of the wrong type, or that cannot be.
    #[error("transform `{transform}`: {reason}")]
    Config {
        /// The transform.
        transform: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A column that is named and is none of texts.
    #[error(
        "transform `{transform}` is to change column `{column}`, which is no column of texts: it may be {known}"
    )]
    NoSuchColumn {
        /// The transform.
        transform: String,
        /// The column.
        column: String,
        /// The columns of texts.
        known: String,
    },
    /// A text that spans belong to.
    #[error(
        "transform `{transform}` changes the text of column `{text}`, whose spans in column `{spans}` would no longer fit: \
         remove the transform, or name other columns for it"
    )]
    HasSpans {
        /// The transform.
        transform: String,
        /// The column of the text.
        text: String,
        /// The column of the spans.
        spans: String,
    },
    /// An example without a text that is to be changed.
    #[error("{key}: the example has no text `{column}` to transform")]
    NoText {
        /// The example.
        key: Key,
        /// The column.
        column: String,
    },
    /// An augmentation could not be built or applied.
    #[error(transparent)]
    Augment(#[from] AugmentError),
}
