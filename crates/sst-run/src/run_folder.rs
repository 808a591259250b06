//! Reads the configuration in a run folder.

use std::path::Path;

use serde_json::Value;

use crate::error::{PUT_BACK, Result, RunError};

/// The file of a run folder that holds every setting of the run. It is a recipe too.
pub const CONFIG: &str = "config.toml";

/// Reads config.toml of the run in `folder`.
///
/// # Errors
/// If the file is missing, is not TOML (the message has the line) or is cut off.
pub(crate) fn read_config(folder: &Path) -> Result<Value> {
    let path = folder.join(CONFIG);
    let text = read(&path)?;
    let config: Value = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let before = &text.as_bytes()[..error.span().map_or(0, |span| span.start.min(text.len()))];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let (place, problem) = (path.display(), error.message());
        RunError::Damaged(format!("{place}:{line} is damaged ({problem}): {PUT_BACK}"))
    })?;
    // This is the last section of the file, and every run has it.
    if config.pointer("/train/schedule/name").is_none() {
        let place = path.display();
        let message = format!("{place} is cut off (it has no [train.schedule]): {PUT_BACK}");
        return Err(RunError::Damaged(message));
    }
    Ok(config)
}

/// Reads a file that every run folder contains.
pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|source| RunError::NoRun { path: path.to_owned(), source })
}
