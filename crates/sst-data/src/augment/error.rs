//! Why a text could not be augmented.

use super::thesaurus::ThesaurusError;
use super::translate::TranslateError;

/// Why a kind of augmentation could not be built or used.
#[derive(Debug, thiserror::Error)]
pub enum AugmentError {
    /// A kind that sst does not have.
    #[error("there is no augmentation `{name}`; sst has {known}", known = known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// A configuration key that is unknown, of the wrong type, or that cannot be.
    #[error("augmentation `{kind}`: {reason}")]
    Config {
        /// The kind.
        kind: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The same kind twice in a row of kinds.
    #[error(
        "augmentation `{kind}` is asked for twice: it would draw the same both times, so give it \
         once, with a higher rate"
    )]
    Twice {
        /// The kind.
        kind: &'static str,
    },
    /// The synonyms could not be read.
    #[error(transparent)]
    Thesaurus(#[from] ThesaurusError),
    /// A translator failed.
    #[error(transparent)]
    Translate(#[from] TranslateError),
}
