//! What is wrong with a key of a recipe.

use std::path::Path;

/// An error in a recipe, with the file and line, or the override, that it comes from.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{place}: {message}")]
pub struct RecipeError {
    /// `recipes/x.toml:12`, or `--set train.steps=many`.
    pub place: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// Something wrong with a key, before it is known where that key was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The key, such as `train.batch_size`; empty for the whole recipe.
    pub(crate) key: String,
    /// What is wrong with it and what to do.
    pub(crate) message: String,
    /// Whether the message already names the key.
    pub(crate) whole: bool,
}

impl Problem {
    /// `message` about `key`, to be printed as `key: message`.
    pub(crate) fn new(key: &str, message: impl Into<String>) -> Self {
        Self { key: key.to_owned(), message: message.into(), whole: false }
    }

    /// A sentence about `key` that names it itself.
    pub(crate) fn sentence(key: &str, message: impl Into<String>) -> Self {
        Self { key: key.to_owned(), message: message.into(), whole: true }
    }
}

/// Refuses the folder `path` of `key` where a file is in the way.
pub(super) fn require_folder(key: &str, path: &str) -> Result<(), Problem> {
    let existing = Path::new(path).ancestors().find(|path| path.exists());
    match existing.filter(|path| !path.is_dir()) {
        Some(file) => {
            let message = format!("is {path}, but {} is a file: name a folder", file.display());
            Err(Problem::new(key, message))
        }
        None => Ok(()),
    }
}

/// `Ok` where `good`, or else the problem of `key`.
pub(crate) fn require(good: bool, key: &str, message: impl Into<String>) -> Result<(), Problem> {
    if good { Ok(()) } else { Err(Problem::new(key, message)) }
}
