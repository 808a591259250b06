//! Prepares the inputs of a model.

use std::path::{Path, PathBuf};

#[cfg(feature = "pictures")]
use crate::pictures::ImageProcessor;
use crate::tokenize::{TokenizeError, Tokenizer};

/// The parts of a model folder that prepare inputs, like the class of the same name in transformers: a tokenizer if
/// the model reads text, and an image processor if it reads pictures.
#[derive(Debug, Clone, Default)]
pub struct Processor {
    tokenizer: Option<Tokenizer>,
    #[cfg(feature = "pictures")]
    images: Option<ImageProcessor>,
    /// The folder that was searched for a tokenizer.
    folder: PathBuf,
}

impl Processor {
    /// A processor with this tokenizer, or with none.
    pub fn of_text(tokenizer: Option<Tokenizer>) -> Self {
        Self { tokenizer, ..Self::default() }
    }

    /// Loads the tokenizer of a folder. A folder without one gives a processor without one.
    ///
    /// # Errors
    /// If the folder has a tokenizer that cannot be loaded.
    pub fn load(folder: &Path) -> Result<Self, TokenizeError> {
        let tokenizer = match Tokenizer::load(folder) {
            Ok(tokenizer) => Some(tokenizer),
            Err(TokenizeError::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(Self { tokenizer, folder: folder.to_owned(), ..Self::default() })
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// If the folder has none. The error names the folder and the files that were looked for.
    pub fn tokenizer(&self) -> Result<&Tokenizer, TokenizeError> {
        self.tokenizer.as_ref().ok_or_else(|| TokenizeError::NotFound(self.folder.clone()))
    }

    /// The tokenizer; `None` if there is none.
    pub fn find_tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_ref()
    }

    /// The same processor with this image processor.
    #[cfg(feature = "pictures")]
    #[must_use]
    pub fn with_images(self, images: Option<ImageProcessor>) -> Self {
        Self { images, ..self }
    }

    /// The image processor; `None` if there is none.
    #[cfg(feature = "pictures")]
    pub fn images(&self) -> Option<&ImageProcessor> {
        self.images.as_ref()
    }

    /// The same processor with its tokenizer, if it has one, replaced by `change` of it, such as a tokenizer that
    /// refuses ids beyond the vocabulary of a model.
    #[must_use]
    pub fn map_tokenizer(self, change: impl FnOnce(Tokenizer) -> Tokenizer) -> Self {
        Self { tokenizer: self.tokenizer.map(change), ..self }
    }
}
