//! What can go wrong with a tokenizer.

use std::io;
use std::path::{Path, PathBuf};

/// Why a tokenizer cannot be loaded, trained, saved or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizeError {
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
    /// No kind of tokenizer is there.
    #[error("{path} holds neither tokenizer.json nor vocab.txt, and not vocab.json with merges.txt", path = .0.display())]
    NotFound(PathBuf),
    /// A vocabulary that transformers reads and sst does not.
    #[error(
        "{file} is {kind}, which sst does not read; write a tokenizer.json beside it with transformers: python -c \
         \"from transformers import AutoTokenizer as A; A.from_pretrained('{folder}').save_pretrained('{folder}')\"",
        file = file.display(),
        folder = file.parent().unwrap_or(Path::new(".")).display()
    )]
    Foreign {
        /// The file.
        file: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The file is broken, hostile or of a kind we do not know.
    #[error("{name} is not a tokenizer that can be used: {reason}")]
    Invalid {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Encoding or decoding failed.
    #[error("{name} cannot process this text: {reason}")]
    Run {
        /// The tokenizer.
        name: String,
        /// What the library said.
        reason: String,
    },
    /// An id outside the vocabulary.
    #[error("token id {id} is not in the vocabulary of {name}, which has {vocab_size} ids")]
    UnknownId {
        /// The tokenizer.
        name: String,
        /// The id.
        id: u32,
        /// Ids are below this.
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
        /// The model's ids are below this.
        vocabulary: usize,
    },
    /// An option of the training that cannot be, by itself or beside the others.
    #[error("cannot train a tokenizer: {key} {message}")]
    Config {
        /// The option, such as `vocab_size`.
        key: &'static str,
        /// What is wrong with it, to be read after the key.
        message: String,
    },
    /// A corpus that no tokenizer can be trained on.
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
