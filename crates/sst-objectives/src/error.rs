//! The errors of this crate.

use sst_data::setting::{NamesSettings, Setting};

use crate::setting;

/// Why an objective could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ObjectiveError {
    /// A configuration key is unknown, of the wrong type, or has an invalid value.
    #[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
    Config {
        /// The key of the objective's configuration; empty if the error is about the whole configuration.
        path: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A configuration key that needs another setting.
    #[error("{path}: needs {setting} = {value}")]
    Needs {
        /// The key of the objective's configuration.
        path: &'static str,
        /// The setting.
        setting: Setting,
        /// The value that it must have.
        value: &'static str,
    },
    /// The labels of the data, or those of the outputs of the model, are not ones that the objective can learn.
    #[error("{message}")]
    Labels {
        /// What is wrong and what to do.
        message: String,
    },
    /// sst has no objective of this name.
    #[error("there is no objective `{name}`; sst has {known}", known = known.join(", "))]
    Unknown {
        /// The requested name.
        name: String,
        /// The names that exist.
        known: Vec<&'static str>,
    },
    /// The tokenizer lacks a token that the objective needs.
    #[error(
        "objective `{objective}` needs a {token} token and the tokenizer has none; \
         choose another tokenizer, or train one that has it"
    )]
    NoToken {
        /// The objective.
        objective: &'static str,
        /// The token, such as `mask`.
        token: &'static str,
    },
    /// The objective reads text, and there is no tokenizer.
    #[error("this objective reads text, which needs a tokenizer: name one, or train one")]
    NoTokenizer,
    /// The vocabulary holds special tokens only.
    #[error(
        "the vocabulary holds special tokens only, so there is no token to replace a masked one with; \
         choose another tokenizer"
    )]
    NoOrdinaryToken,
    /// The objective's own parameters could not be created.
    #[error(transparent)]
    Core(#[from] sst_core::Error),
}

impl NamesSettings for ObjectiveError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::Needs { setting, .. } => vec![*setting],
            Self::NoToken { .. } | Self::NoTokenizer | Self::NoOrdinaryToken => {
                vec![setting::TOKENIZER]
            }
            Self::Core(error) => error.settings(),
            Self::Labels { .. } => vec![sst_data::setting::LABELS],
            Self::Config { .. } | Self::Unknown { .. } => Vec::new(),
        }
    }
}
