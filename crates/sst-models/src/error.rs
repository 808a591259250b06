//! The errors of this crate.

use std::path::PathBuf;

use sst_data::setting::{NamesSettings, Setting};

use crate::setting;

/// A model could not be built, read or written.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A configuration key is unknown, or its value has the wrong type or is out of range.
    #[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
    Config {
        /// The key of config.json; empty if the error is about the whole.
        path: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A setting for a sentence model is not possible.
    #[error("{setting} {message}")]
    Option {
        /// The setting.
        setting: Setting,
        /// The problem and what to do, as a continuation of the name.
        message: String,
    },
    /// sst has no model of this type.
    #[error("there is no model of type `{model_type}`; sst has {known}", known = known.join(", "))]
    UnknownType {
        /// The requested type.
        model_type: String,
        /// The known types.
        known: Vec<&'static str>,
    },
    /// A file of a model folder cannot be read.
    #[error("{path}: {message}", path = path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The folder lacks the head that the caller needs.
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
        /// The names of the head's tensors.
        tensors: &'static str,
    },
    /// A vector holds NaN or infinity.
    #[error(
        "the vector of the text {text:?} holds NaN or infinity: the model's numbers grow too large; try fp32, or an \
         earlier checkpoint"
    )]
    NotFinite {
        /// The beginning of the text that the vector belongs to.
        text: String,
    },
    /// The format cannot hold a model that cuts its vectors and normalises them after that.
    #[error(
        "truncate_dim: {file} has it, and sentence-transformers cuts vectors after their norm is taken: leave \
         `normalize` unset, or remove the key"
    )]
    NormalizedLast {
        /// The name of the file with the key.
        file: &'static str,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The tokenizer could not be written.
    #[error(transparent)]
    Tokenizer(#[from] sst_data::tokenize::TokenizeError),
    /// The weights do not fit the model, or libtorch failed.
    #[error(transparent)]
    Core(#[from] sst_core::Error),
}

impl NamesSettings for ModelError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::Option { setting, .. } => vec![*setting],
            Self::NormalizedLast { .. } => vec![setting::NORMALIZE],
            Self::NotFinite { .. } => vec![setting::AUTOCAST],
            Self::Core(error) => error.settings(),
            _ => Vec::new(),
        }
    }
}

/// An error about the configuration key `key`.
pub(crate) fn bad(key: &str, message: &str) -> ModelError {
    ModelError::Config { path: key.to_owned(), message: message.to_owned() }
}
