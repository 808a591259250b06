//! The configuration that lies in the folder of a run.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

pub(crate) const CONFIG: &str = "config.toml";

/// What to do where a file is damaged that a run writes at its start and is resumed with.
pub(crate) const PUT_BACK: &str =
    "put it back as the run wrote it, or start another run with --set run.name=NAME";

/// The config.toml of the run in `folder`.
///
/// # Errors
/// If it is missing, is no TOML or is cut off, with its line.
pub(crate) fn read_config(folder: &Path) -> Result<Value> {
    let path = folder.join(CONFIG);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}: {PUT_BACK}", path.display()))?;
    let config: Value = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let before = &text.as_bytes()[..error.span().map_or(0, |span| span.start.min(text.len()))];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        anyhow!("{}:{line} is damaged ({}): {PUT_BACK}", path.display(), error.message())
    })?;
    // The last section of the file, which every run has.
    if config.pointer("/train/schedule/name").is_none() {
        bail!("{} is cut off (it has no [train.schedule]): {PUT_BACK}", path.display());
    }
    Ok(config)
}
