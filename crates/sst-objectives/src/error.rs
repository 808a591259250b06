//! The errors of this crate.

use sst_data::setting::{NamesSettings, Setting};

use crate::setting;

/// Why an objective could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ObjectiveError {
    /// A configuration key that is unknown, of the wrong type, or that cannot be.
    #[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
    Config {
        /// The key of the objective's configuration; empty for the whole.
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
    /// An objective that sst does not have.
    #[error("there is no objective `{name}`; sst has {known}", known = known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// The tokenizer has no token that the objective needs.
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
    /// The tokenizer knows nothing but special tokens.
    #[error("the tokenizer has no ordinary token to replace a masked one with")]
    NoOrdinaryToken,
    /// Parameters that cannot be made.
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
            Self::Config { .. } | Self::Unknown { .. } => Vec::new(),
        }
    }
}
