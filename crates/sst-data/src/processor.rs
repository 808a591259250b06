//! Prepares the inputs of a model.

use std::path::{Path, PathBuf};

use crate::tokenize::{TokenizeError, Tokenizer};

/// The parts of a model folder that prepare inputs, like the class of the same name in transformers: a tokenizer if
/// the model reads text.
#[derive(Debug, Clone)]
pub struct Processor {
    tokenizer: Option<Tokenizer>,
    /// The folder that was searched.
    folder: PathBuf,
}

impl Processor {
    /// Loads the parts that the folder has. A folder without a tokenizer gives a processor without one.
    ///
    /// # Errors
    /// If the folder has a tokenizer that cannot be loaded.
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
    /// If the folder has none. The error names the folder and the files that were looked for.
    pub fn tokenizer(&self) -> Result<&Tokenizer, TokenizeError> {
        self.tokenizer.as_ref().ok_or_else(|| TokenizeError::NotFound(self.folder.clone()))
    }

    /// The same processor with its tokenizer, if it has one, replaced by `change` of it, such as a tokenizer that
    /// refuses ids beyond the vocabulary of a model.
    #[must_use]
    pub fn map_tokenizer(self, change: impl FnOnce(Tokenizer) -> Tokenizer) -> Self {
        Self { tokenizer: self.tokenizer.map(change), ..self }
    }
}
