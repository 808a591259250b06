//! A recipe in the hands of the caller, before it is checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
use crate::model::must_exist;
use crate::observer::{Observer, Silent};
use crate::prepared::CheckedRecipe;
use crate::recipe::{Written, resolve};

/// A recipe as it is written, with overrides: what to train, on what, and how.
///
/// Nothing is checked before [`Recipe::check`], but that it is TOML.
pub struct Recipe {
    written: Written,
    default_cache: Option<PathBuf>,
    observer: Arc<dyn Observer>,
}

impl Recipe {
    /// Reads the TOML file at `path`. Paths in it are relative to the working directory. A run without `run.name` gets
    /// the file's name.
    ///
    /// # Errors
    /// If it cannot be read or is not TOML, with the line.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        must_exist(path.as_ref())?;
        Ok(Self::new(Written::read(path.as_ref())?))
    }

    /// Takes the text of a recipe. A run without `run.name` is called `run`.
    ///
    /// # Errors
    /// If it is not TOML, with the line.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self::new(Written::parse("recipe", "run".to_owned(), text)?))
    }

    fn new(written: Written) -> Self {
        Self { written, default_cache: None, observer: Arc::new(Silent) }
    }

    /// Overrides a key, as in `train.steps=200step`. The value is TOML; what is not TOML is taken as text.
    ///
    /// # Errors
    /// If there is no `=`, or the key runs through something that is no section.
    pub fn set(mut self, key_and_value: &str) -> Result<Self> {
        self.written.set(key_and_value)?;
        Ok(self)
    }

    /// The folder for prepared data and trained tokenizers of a recipe that does not set `data.cache`. It may be shared
    /// by many runs.
    #[must_use]
    pub fn default_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.default_cache = Some(folder.into());
        self
    }

    /// Who is told what happens around the training, instead of nobody.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Checks the recipe and fills in what is absent.
    ///
    /// # Errors
    /// If a key is unknown, of the wrong type, or cannot be, with the place where it was written.
    pub fn check(self) -> Result<CheckedRecipe> {
        let Self { written, default_cache, observer } = self;
        let config = resolve(&written)?;
        Ok(CheckedRecipe { config, written, default_cache, observer })
    }
}
