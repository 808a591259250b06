//! Builds a recipe from the arguments of a command.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use sst_cli::files;
use sst_run::{CheckedRecipe, Recipe};

use crate::terminal::Terminal;

/// Reads the recipe at `path` and applies the overrides of `--set`. Prepared data goes to the user's cache folder,
/// and notices are printed to stderr.
///
/// # Errors
/// If the recipe cannot be read, or an override is not of the form KEY=VALUE.
pub(crate) fn read(path: &Path, sets: &[String]) -> Result<Recipe> {
    let mut recipe = Recipe::read(path)?.observer(Arc::new(Terminal));
    for set in sets {
        recipe = recipe.set(set)?;
    }
    // If no environment variable names a cache folder, the recipe may name one. That is checked when data is
    // prepared.
    Ok(match files::user_cache() {
        Ok(folder) => recipe.default_cache(folder.join("prepared")),
        Err(_) => recipe,
    })
}

/// Calls [`read`] and checks the recipe.
///
/// # Errors
/// If the recipe is wrong; the command ends with exit code 2.
pub(crate) fn check(path: &Path, sets: &[String]) -> Result<CheckedRecipe> {
    Ok(read(path, sets)?.check()?)
}
