//! From a recipe as it is written to a configuration that runs.
//!
//! Two levels: a [`file::RecipeFile`] is what was written, where everything may be absent; a
//! [`RunConfig`] is what runs, where nothing is. Every error names the file and line, or the `--set`,
//! that it comes from.

mod batching;
mod check;
mod config;
mod curriculum;
mod duration;
mod engine;
mod error;
mod file;
mod fill;
mod limits;
#[cfg(test)]
mod mutated;
mod nearest;
mod section;
mod task;
mod unused;
mod written;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
use crate::model::must_exist;
use crate::observer::{Observer, Silent};
use crate::prepared::CheckedRecipe;

pub use batching::{BatchWarmup, Batching, LengthWarmup};
pub(crate) use check::misses;
pub use config::{Data, ModelChoice, RunConfig, RunSection, Schedule, TokenizerChoice, Train};
pub use curriculum::{Curriculum, PacingName};
pub use duration::{Duration, Scale};
pub use engine::{Budget, Checkpointing, Engine, Inject, Keep};
pub(crate) use error::Problem;
pub use error::RecipeError;
pub(crate) use fill::FROM_TOKENIZER;
pub(crate) use limits::{MOST_STEPS, MOST_THREADS};
pub(crate) use section::problem as key_problem;
pub use task::{MixBy, Mixing, Stage, Task, Tasks};
pub(crate) use unused::unused;
pub(crate) use written::Written;

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

fn resolve(written: &Written) -> Result<RunConfig, RecipeError> {
    read(written).map_err(|problem| written.locate(problem))
}

fn read(written: &Written) -> Result<RunConfig, Problem> {
    let file = section::parse::<file::RecipeFile>("", written.value())?;
    let config = fill::fill(file, &written.stem())?;
    check::check(&config)?;
    Ok(config)
}
