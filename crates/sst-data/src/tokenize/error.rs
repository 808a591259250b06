//! Errors of tokenizers.

use std::io;
use std::path::{Path, PathBuf};

/// Why a tokenizer cannot be loaded, trained, saved or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizeError {
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
    /// The folder holds no tokenizer.
    #[error("{path} holds no tokenizer.json, no vocab.txt, and no vocab.json with merges.txt", path = .0.display())]
    NotFound(PathBuf),
    /// A vocabulary file that transformers reads and sst does not.
    #[error(
        "{file} is {kind}, which sst does not read; write a tokenizer.json beside it with transformers: python -c \
         \"from transformers import AutoTokenizer as A; A.from_pretrained('{folder}').save_pretrained('{folder}')\"",
        file = file.display(),
        folder = file.parent().unwrap_or(Path::new(".")).display()
    )]
    Foreign {
        /// The file.
        file: PathBuf,
        /// The kind of file.
        kind: &'static str,
    },
    /// The file is damaged, goes beyond a limit, or is of an unknown kind.
    #[error("{name} is not a tokenizer that can be used: {reason}")]
    Invalid {
        /// The file.
        name: String,
        /// The problem.
        reason: String,
    },
    /// Encoding or decoding failed.
    #[error("{name} cannot process this text: {reason}")]
    Run {
        /// The tokenizer.
        name: String,
        /// The message of the crate `tokenizers`.
        reason: String,
    },
    /// An id outside the vocabulary.
    #[error("token id {id} is not in the vocabulary of {name}, which has {vocab_size} ids")]
    UnknownId {
        /// The tokenizer.
        name: String,
        /// The id.
        id: u32,
        /// The vocabulary size. Every id is below it.
        vocab_size: usize,
    },
    /// A token that the model has no embedding for.
    #[error(
        "the text {text:?} holds the token {token:?} of {name}, whose id {id} the model does not know: its \
         vocabulary has {vocabulary} ids; use the tokenizer that the model was trained with, or leave the text out"
    )]
    BeyondModel {
        /// The tokenizer.
        name: String,
        /// The beginning of the text.
        text: String,
        /// The token.
        token: String,
        /// Its id.
        id: u32,
        /// The number of ids that the model has. Every id is below it.
        vocabulary: usize,
    },
    /// A training option that is not valid, alone or together with the others.
    #[error("cannot train a tokenizer: {key} {message}")]
    Config {
        /// The option, such as `vocab_size`.
        key: &'static str,
        /// The problem, as a phrase that follows the key.
        message: String,
    },
    /// The corpus cannot be used for training.
    #[error("cannot train a tokenizer: {0}")]
    Train(String),
}

impl TokenizeError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::Io { action, path, error }
    }

    pub(super) fn invalid(name: &str, reason: impl Into<String>) -> Self {
        Self::Invalid { name: name.to_owned(), reason: reason.into() }
    }
}
