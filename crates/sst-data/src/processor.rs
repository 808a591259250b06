//! What turns the inputs of a model into numbers.

use std::path::{Path, PathBuf};

use crate::tokenize::{TokenizeError, Tokenizer};

/// What a model folder holds to prepare inputs, after the class of that name in transformers: a tokenizer, if the model
/// reads text.
#[derive(Debug, Clone)]
pub struct Processor {
    tokenizer: Option<Tokenizer>,
    /// Where it was looked for.
    folder: PathBuf,
}

impl Processor {
    /// Loads what the folder holds; a folder without a tokenizer has none.
    ///
    /// # Errors
    /// If a tokenizer is there and cannot be used.
    pub fn load(folder: &Path) -> Result<Self, TokenizeError> {
        let tokenizer = match Tokenizer::load(folder) {
            Ok(tokenizer) => Some(tokenizer),
            Err(TokenizeError::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(Self { tokenizer, folder: folder.to_owned() })
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// If the folder holds none, with its path and the files that were looked for.
    pub fn tokenizer(&self) -> Result<&Tokenizer, TokenizeError> {
        self.tokenizer.as_ref().ok_or_else(|| TokenizeError::NotFound(self.folder.clone()))
    }

    /// The same, with another tokenizer if it has one: one that refuses tokens beyond a model's vocabulary, say.
    #[must_use]
    pub fn map_tokenizer(self, change: impl FnOnce(Tokenizer) -> Tokenizer) -> Self {
        Self { tokenizer: self.tokenizer.map(change), ..self }
    }
}
