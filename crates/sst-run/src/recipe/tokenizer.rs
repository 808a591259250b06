//! `[tokenizer]`: an existing tokenizer, or one that is trained on the data.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sst_data::setting::MIN_FREQUENCY;
use sst_data::tokenize::{Algorithm, TokenizeError, TrainConfig};
use sst_objectives::setting;

use super::error::{Problem, require};
use super::limits::{MOST_COUNT, MOST_TOKENS};
use super::{Idle, Keys, RunConfig};

/// `[tokenizer]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TokenizerFile {
    path: Option<String>,
    train: Option<TrainConfig>,
}

/// `[tokenizer]`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(clippy::large_enum_variant)] // There is one in a run.
pub enum TokenizerChoice {
    /// `tokenizer.path`: the folder of an existing tokenizer.
    Path(String),
    /// `[tokenizer.train]`: a tokenizer that is trained on the data of all tasks.
    Train(TrainConfig),
}

pub(super) const KEYS: Keys = Keys {
    limits: &[
        ("tokenizer.train.vocab_size", 1.0, MOST_TOKENS),
        ("tokenizer.train.min_frequency", 0.0, MOST_COUNT),
        ("tokenizer.train.limit_alphabet", 0.0, 1_114_112.0),
    ],
    idle,
    settings: &[
        (setting::TOKENIZER, "tokenizer"),
        (MIN_FREQUENCY, "tokenizer.train.min_frequency"),
    ],
    ..Keys::NONE
};

impl TokenizerFile {
    /// The choice, if an objective reads text.
    pub(super) fn fill(self, reads_text: bool) -> Result<Option<TokenizerChoice>, Problem> {
        match (self.path, self.train) {
            (None, None) if !reads_text => Ok(None),
            _ if !reads_text => {
                let message =
                    "has no effect, because no objective of the recipe reads text: remove it";
                Err(Problem::new("tokenizer", message))
            }
            (Some(path), None) => Ok(Some(TokenizerChoice::Path(path))),
            (None, Some(train)) => Ok(Some(TokenizerChoice::Train(train))),
            (None, None) => Err(Problem::new(
                "tokenizer",
                "is missing: name one with path = \"FOLDER\", or train one with [tokenizer.train]",
            )),
            (Some(_), Some(_)) => Err(Problem::new(
                "tokenizer",
                "has both path and train: remove one of them, because a tokenizer is either loaded or trained",
            )),
        }
    }
}

impl TokenizerChoice {
    pub(super) fn check(&self) -> Result<(), Problem> {
        match self {
            Self::Path(path) => {
                let message = format!("{path} does not exist");
                require(Path::new(path).exists(), "tokenizer.path", message)
            }
            Self::Train(train) => train.check().map_err(tokenizer_problem),
        }
    }
}

/// Turns an error of training a tokenizer into a problem with a key.
pub(crate) fn tokenizer_problem(error: TokenizeError) -> Problem {
    match error {
        TokenizeError::Config { key, message } => {
            Problem::new(&format!("tokenizer.train.{key}"), message)
        }
        other => Problem::new("tokenizer.train", other.to_string()),
    }
}

fn idle(config: &RunConfig) -> Vec<Idle> {
    match &config.tokenizer {
        Some(TokenizerChoice::Train(train)) if train.algorithm == Algorithm::Bpe => {
            let why = "the alphabet of BPE is the bytes";
            vec![("tokenizer.train.limit_alphabet".to_owned(), Value::Null, why)]
        }
        _ => Vec::new(),
    }
}
