//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use crate::example::Key;

/// Why a store cannot be built or opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {error}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// A store is not what its manifest says.
    #[error("{path} is damaged: {reason}; delete the folder and prepare the data again", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A token id does not fit the store.
    #[error(
        "token id {id} does not fit a vocabulary of {vocab_size}: the tokenizer contradicts itself"
    )]
    IdTooLarge {
        /// The id.
        id: u32,
        /// Ids below this one fit.
        vocab_size: usize,
    },
    /// Some documents have a score and some have none.
    #[error("{0} has no score where others have one, or the other way round: score all or none")]
    Score(Key),
    /// Some documents have ends of sentences and some have none, or they are not the ends of this document.
    #[error(
        "{0}: the ends of its sentences do not grow up to its number of tokens, or the store keeps them of all documents \
         or of none: give them of each document"
    )]
    Sentences(Key),
    /// The store was prepared without the ends of sentences.
    #[error("{path} was prepared without the ends of sentences: prepare the data with them", path = path.display())]
    NoSentences {
        /// The folder of the store.
        path: PathBuf,
    },
    /// More source files than the format can number.
    #[error("more than {} source files: join some of them", u32::MAX)]
    TooManySources,
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::Io { action, path, error }
    }

    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), reason: reason.into() }
    }
}
