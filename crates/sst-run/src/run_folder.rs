//! The configuration that lies in the folder of a run.

use std::path::Path;

use serde_json::Value;

use crate::error::{PUT_BACK, Result, RunError};

/// The file of a run folder that holds every setting of the run, as a recipe.
pub const CONFIG: &str = "config.toml";

/// The config.toml of the run in `folder`.
///
/// # Errors
/// If it is missing, is no TOML or is cut off, with its line.
pub(crate) fn read_config(folder: &Path) -> Result<Value> {
    let path = folder.join(CONFIG);
    let text = read(&path)?;
    let config: Value = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let before = &text.as_bytes()[..error.span().map_or(0, |span| span.start.min(text.len()))];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let (place, problem) = (path.display(), error.message());
        RunError::Damaged(format!("{place}:{line} is damaged ({problem}): {PUT_BACK}"))
    })?;
    // The last section of the file, which every run has.
    if config.pointer("/train/schedule/name").is_none() {
        let place = path.display();
        let message = format!("{place} is cut off (it has no [train.schedule]): {PUT_BACK}");
        return Err(RunError::Damaged(message));
    }
    Ok(config)
}

/// The text of a file that every run has.
pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|source| RunError::NoRun { path: path.to_owned(), source })
}
