//! The errors of this crate.

use std::path::PathBuf;

use sst_core::HeadKind;
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
         with it, or train one with `sst train`",
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
    /// The head of a folder has another number of classes than its config.json or the caller.
    #[error(
        "{path}: its {head} has {held} outputs, and {wanted} are needed{}: use a folder without this head, or start the \
         head anew (`reset_head`)",
        classes(.labels),
        path = path.display()
    )]
    HeadSize {
        /// The folder.
        path: PathBuf,
        /// The kind of the head.
        head: HeadKind,
        /// The number of outputs in the file.
        held: i64,
        /// The number of classes.
        wanted: usize,
        /// The names of the classes.
        labels: Vec<String>,
    },
    /// The base model of an adapter is not found.
    #[error(
        "{path} names the base model `{named}`, which is no folder with a config.json in {folder} or in the working \
         directory: download the base model, and set base_model_name_or_path to its folder",
        path = path.display(),
        folder = folder.display()
    )]
    NoBase {
        /// The adapter_config.json.
        path: PathBuf,
        /// The name in it.
        named: String,
        /// The folder of the adapter.
        folder: PathBuf,
    },
    /// The base model of an adapter is not the one that it was trained on.
    #[error(
        "{base} is not the base model that the adapter was trained on: {file} differs from its hash in {path}; restore \
         the base model, or delete {path} to use this one all the same",
        path = path.display(),
        base = base.display()
    )]
    OtherBase {
        /// The base_model.json.
        path: PathBuf,
        /// The folder of the base model.
        base: PathBuf,
        /// The file that differs.
        file: String,
    },
    /// A whole model is needed, and the folder holds an adapter.
    #[error(
        "{path} holds an adapter, and a whole model is needed: `sst merge` makes one",
        path = path.display()
    )]
    IsAdapter {
        /// The folder.
        path: PathBuf,
    },
    /// A model that compares texts with pictures was given where the hidden states of a text model are pooled.
    #[error(
        "{path} holds a `{model_type}`, whose vectors of texts are those of a projection, but sentence models pool hidden \
         states: `sst embed` computes its vectors, and a text model is needed here",
        path = path.display()
    )]
    ComparesPictures {
        /// The type of the model.
        model_type: String,
        /// The folder.
        path: PathBuf,
    },
    /// An adapter cannot be merged into its base model.
    #[error("{0}")]
    Merge(String),
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

/// ` (a, b, c)`, or nothing if there are no names; at most eight of them.
fn classes(labels: &[String]) -> String {
    let shown = labels.iter().take(MAX_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match labels.len() {
        0 => String::new(),
        count if count > MAX_SHOWN => format!(" ({shown}, ...)"),
        _ => format!(" ({shown})"),
    }
}

/// The largest number of classes that a message names.
const MAX_SHOWN: usize = 8;

/// An error about the configuration key `key`.
pub(crate) fn bad(key: &str, message: &str) -> ModelError {
    ModelError::Config { path: key.to_owned(), message: message.to_owned() }
}
