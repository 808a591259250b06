//! Errors of stores.

use std::io;
use std::path::{Path, PathBuf};

use crate::example::Key;

/// Why a store cannot be built or opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {error}", path = path.display())]
    Io {
        /// The operation that failed.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        error: io::Error,
    },
    /// A store does not match its manifest.
    #[error("{path} is damaged: {reason}; delete the folder and prepare the data again", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// A token id does not fit the store.
    #[error(
        "token id {id} is not below the vocabulary size {vocab_size}: the files of the tokenizer contradict each other"
    )]
    IdTooLarge {
        /// The id.
        id: u32,
        /// The vocabulary size. Every id must be below it.
        vocab_size: usize,
    },
    /// Some documents have a score and some have none.
    #[error("{0} has no score where others have one, or the other way round: score all or none")]
    Score(Key),
    /// Only some documents have sentence ends, or the sentence ends do not fit the document.
    #[error(
        "{0}: the ends of its sentences do not grow up to its number of tokens, or the store keeps them of all documents \
         or of none: give them of each document"
    )]
    Sentences(Key),
    /// The store was prepared without sentence ends.
    #[error("{path} was prepared without the ends of sentences: prepare the data with them", path = path.display())]
    NoSentences {
        /// The folder of the store.
        path: PathBuf,
    },
    /// More source files than the format can number.
    #[error("more than {} source files: join some of them", i32::MAX)]
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
