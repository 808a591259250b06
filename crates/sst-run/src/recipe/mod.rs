//! From a recipe as it is written to a configuration that runs.
//!
//! Each section is a file: its written form, where everything may be absent and unknown keys are refused; its checked
//! form, where nothing is absent that is needed; its defaults, checks and limits; and what changes when a run is resumed
//! with other values ([`keys`]). What crosses sections stands in [`check`]. Every error names the file and line, or the
//! `--set`, that it comes from.

mod check;
mod config;
mod curriculum;
mod data;
mod duration;
mod error;
mod keys;
mod limits;
mod mixture;
mod model;
#[cfg(test)]
mod mutated;
mod nearest;
mod objective;
mod run;
mod section;
mod task;
mod tokenizer;
mod train;
mod unused;
mod written;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
use crate::model::must_exist;
use crate::observer::{Observer, Silent};
use crate::prepared::CheckedRecipe;

pub(crate) use check::misses;
pub use config::RunConfig;
pub use curriculum::{Curriculum, PacingName};
pub use data::Data;
pub use duration::{Duration, Scale};
pub(crate) use error::Problem;
pub use error::RecipeError;
pub(crate) use keys::{Effect, effect_of_change};
pub(crate) use limits::{MOST_STEPS, MOST_THREADS};
pub use mixture::{MixBy, Mixing, Stage};
pub(crate) use model::FROM_TOKENIZER;
pub use model::ModelChoice;
pub use run::RunSection;
pub(crate) use section::problem as key_problem;
pub use task::{Task, Tasks};
pub use tokenizer::TokenizerChoice;
pub(crate) use tokenizer::tokenizer_problem;
pub use train::{
    BatchWarmup, Batching, BatchingSection, Budget, Checkpointing, Inject, Keep, LengthWarmup,
    Schedule, Train,
};
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

/// The configuration of a run as it was written when the run began, with today's defaults for the keys that it does not
/// hold. Nothing is checked: its files may have moved since.
///
/// # Errors
/// If the file cannot be read, or a key is unknown or of the wrong type.
pub(crate) fn read_config(path: &Path) -> Result<RunConfig, RecipeError> {
    let written = Written::read(path)?;
    RunConfig::fill(&written).map_err(|problem| written.locate(problem))
}

fn resolve(written: &Written) -> Result<RunConfig, RecipeError> {
    let config = RunConfig::fill(written);
    let checked = config.and_then(|config| check::check(&config).map(|()| config));
    checked.map_err(|problem| written.locate(problem))
}
