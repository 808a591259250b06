//! From the arguments to a recipe.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use sst_cli::files;
use sst_run::{CheckedRecipe, Recipe};

use crate::terminal::Terminal;

/// The recipe at `path` with the overrides of `--set`, prepared data in the user's cache, and notices on stderr.
///
/// # Errors
/// If it cannot be read, or an override is none.
pub(crate) fn read(path: &Path, sets: &[String]) -> Result<Recipe> {
    let mut recipe = Recipe::read(path)?.observer(Arc::new(Terminal));
    for set in sets {
        recipe = recipe.set(set)?;
    }
    // Where no variable names a folder, the recipe may: that is found out when data is prepared.
    Ok(match files::user_cache() {
        Ok(folder) => recipe.default_cache(folder.join("prepared")),
        Err(_) => recipe,
    })
}

/// [`read`], checked.
///
/// # Errors
/// If anything in it is wrong, with exit code 2.
pub(crate) fn check(path: &Path, sets: &[String]) -> Result<CheckedRecipe> {
    Ok(read(path, sets)?.check()?)
}
