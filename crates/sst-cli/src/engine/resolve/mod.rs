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

use std::path::Path;

pub(crate) use batching::Batching;
pub(crate) use check::{misses, tokenizer_problem};
pub(crate) use config::{Data, ModelChoice, RunConfig, TokenizerChoice};
pub(crate) use duration::{Duration, Scale};
pub(crate) use engine::Checkpointing;
pub(crate) use error::{Problem, RecipeError};
pub(crate) use fill::FROM_TOKENIZER;
pub(crate) use limits::{MOST_STEPS, MOST_THREADS};
pub(crate) use section::problem as key_problem;
pub(crate) use task::Task;
pub(crate) use unused::unused;
pub(crate) use written::Written;

/// Reads the recipe at `path`, puts the overrides of `--set` on it, and fills in what is absent.
///
/// The [`Written`] recipe comes with it: what is found wrong later, when the tokenizer is there, is
/// traced back through it.
///
/// # Errors
/// If the file cannot be read, or a key is unknown, of the wrong type, or cannot be.
pub(crate) fn resolve(path: &Path, sets: &[String]) -> Result<(RunConfig, Written), RecipeError> {
    let mut written = Written::read(path)?;
    for set in sets {
        written.set(set)?;
    }
    let config = resolve_written(&written)?;
    Ok((config, written))
}

/// The configuration of a run as it was written when the run began, with today's defaults for the keys that it does not
/// hold. Nothing is checked: its files may have moved since.
///
/// # Errors
/// If the file cannot be read, or a key is unknown or of the wrong type.
pub(crate) fn read_config(path: &Path) -> Result<RunConfig, RecipeError> {
    let written = Written::read(path)?;
    let parsed = section::parse::<file::RecipeFile>("", written.value());
    let config = parsed.and_then(|file| fill::fill(file, &written.stem()));
    config.map_err(|problem| written.locate(problem))
}

fn resolve_written(written: &Written) -> Result<RunConfig, RecipeError> {
    read(written).map_err(|problem| written.locate(problem))
}

fn read(written: &Written) -> Result<RunConfig, Problem> {
    let file = section::parse::<file::RecipeFile>("", written.value())?;
    let config = fill::fill(file, &written.stem())?;
    check::check(&config)?;
    Ok(config)
}
