//! A recipe before it is checked, with the caller's overrides.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
use crate::model::must_exist;
use crate::observer::{Observer, Silent};
use crate::prepared::CheckedRecipe;
use crate::recipe::{Written, resolve};

/// A recipe as it is written, with overrides: the model, the data and the training settings.
///
/// Only the TOML syntax is checked before [`Recipe::check`].
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

    /// Overrides a key, as in `train.steps=200step`. The value is parsed as TOML; if that fails, it is a string.
    ///
    /// # Errors
    /// If there is no `=`, or a part of the key before the last dot names a value instead of a section.
    pub fn set(mut self, key_and_value: &str) -> Result<Self> {
        self.written.set(key_and_value)?;
        Ok(self)
    }

    /// Overrides a key like [`Recipe::set`], on behalf of an option of a command, such as `--max-length`. Errors name
    /// the option instead of the key.
    ///
    /// # Errors
    /// Those of [`Recipe::set`].
    pub fn set_by_option(mut self, option: &str, key_and_value: &str) -> Result<Self> {
        self.written.set_by_option(option, key_and_value)?;
        Ok(self)
    }

    /// Sets the folder for prepared data and trained tokenizers, for recipes that do not set `data.cache`. Many runs
    /// may share it.
    #[must_use]
    pub fn default_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.default_cache = Some(folder.into());
        self
    }

    /// Sets the observer that receives notices. By default, notices are discarded.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Checks the recipe and fills in the defaults of absent keys.
    ///
    /// # Errors
    /// If a key is unknown or its value has the wrong type or is invalid. The error names the line or the override.
    pub fn check(self) -> Result<CheckedRecipe> {
        let Self { written, default_cache, observer } = self;
        let config = resolve(&written)?;
        Ok(CheckedRecipe { config, written, default_cache, observer })
    }
}
