//! The errors of this crate.

use std::path::PathBuf;

/// Why a model could not be built, read or written.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A configuration key that is unknown, of the wrong type, or that cannot be.
    #[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
    Config {
        /// The key below `[model]` or in config.json; empty for the whole.
        path: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A setting that a sentence model is used with, and that cannot be.
    #[error("{name} {message}")]
    Option {
        /// The setting, such as `max_length`.
        name: &'static str,
        /// What is wrong with it and what to do, to be read after the name.
        message: String,
    },
    /// A model type that sst does not have.
    #[error("there is no model of type `{model_type}`; sst has {known}", known = known.join(", "))]
    UnknownType {
        /// The type asked for.
        model_type: String,
        /// The types there are.
        known: Vec<&'static str>,
    },
    /// A config.json that cannot be read.
    #[error("{path}: {message}", path = path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A folder without the head that the caller needs.
    #[error(
        "{path} holds no {head} (tensors `{tensors}`), which this command needs: name a folder that was saved \
         with it, or train one with `sst pretrain`",
        path = path.display()
    )]
    NoHead {
        /// The folder.
        path: PathBuf,
        /// The head.
        head: &'static str,
        /// What its tensors are called.
        tensors: &'static str,
    },
    /// A vector that holds NaN or infinity.
    #[error(
        "the vector of the text {text:?} holds NaN or infinity: the model's numbers grow too large; try --precision \
         fp32, or an earlier checkpoint"
    )]
    NotFinite {
        /// The beginning of the text.
        text: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The tokenizer could not be written.
    #[error(transparent)]
    Tokenizer(#[from] sst_data::tokenize::TokenizeError),
    /// The weights do not fit, or libtorch failed.
    #[error(transparent)]
    Core(#[from] sst_core::Error),
}

/// The error of a configuration whose key `key` is wrong.
pub(crate) fn bad(key: &str, message: &str) -> ModelError {
    ModelError::Config { path: key.to_owned(), message: message.to_owned() }
}
