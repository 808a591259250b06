//! Errors of augmentations.

use super::thesaurus::ThesaurusError;
use super::translate::TranslateError;
use crate::setting::{self, NamesSettings, Setting};

/// Why an augmentation could not be built or applied.
#[derive(Debug, thiserror::Error)]
pub enum AugmentError {
    /// There is no augmentation of this name.
    #[error("there is no augmentation `{name}`; sst has {known}", known = known.join(", "))]
    Unknown {
        /// The unknown name.
        name: String,
        /// The names that exist.
        known: Vec<&'static str>,
    },
    /// A configuration key is unknown, has the wrong type, or has an invalid value.
    #[error("augmentation `{kind}`: {reason}")]
    Config {
        /// The augmentation.
        kind: &'static str,
        /// The problem and what to do.
        reason: String,
    },
    /// There is no thesaurus to take synonyms from.
    #[error(
        "augmentation `{kind}`: no thesaurus is given: set `files` to a mythes .dat file (Debian's mythes-en-us has one \
         of English), a Cilin file or a WordNet folder"
    )]
    NoThesaurus {
        /// The augmentation.
        kind: &'static str,
    },
    /// The same augmentation occurs twice in a chain.
    #[error(
        "augmentation `{kind}` is asked for twice: it would draw the same both times, so give it \
         once, with a higher rate"
    )]
    Twice {
        /// The augmentation.
        kind: &'static str,
    },
    /// The synonyms could not be read.
    #[error(transparent)]
    Thesaurus(#[from] ThesaurusError),
    /// A translator failed.
    #[error(transparent)]
    Translate(#[from] TranslateError),
}

impl NamesSettings for AugmentError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::NoThesaurus { .. } => vec![setting::SYNONYM_FILES],
            _ => Vec::new(),
        }
    }
}
