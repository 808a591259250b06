//! Paths and file operations that several commands use.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use sst_data::atomic;

use crate::exit::Usage;

/// The cache folder of this user: `$XDG_CACHE_HOME/sst`, or else `~/Library/Caches/sst` on macOS and
/// `~/.cache/sst` elsewhere.
///
/// # Errors
/// If neither variable is set.
pub fn user_cache() -> Result<PathBuf> {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = match (absolute("XDG_CACHE_HOME"), absolute("HOME")) {
        (Some(cache), _) => cache,
        (None, Some(home)) if cfg!(target_os = "macos") => home.join("Library/Caches"),
        (None, Some(home)) => home.join(".cache"),
        (None, None) => {
            let message = "neither XDG_CACHE_HOME nor HOME is set: set data.cache to a folder for \
                           prepared data";
            return Err(Usage(message.to_owned()).into());
        }
    };
    Ok(base.join("sst"))
}

/// Returns an error with exit code 2 if a path of the arguments does not exist.
///
/// # Errors
/// If `path` does not exist.
pub fn must_exist(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let message = format!(
        "{} does not exist: check the path (it is relative to the working directory)",
        path.display()
    );
    Err(Usage(message).into())
}

/// Writes `value` as indented JSON. The file is replaced atomically.
///
/// # Errors
/// If the file cannot be written.
pub fn write_json(path: &Path, value: &Value) -> Result<()> {
    write(path, &format!("{value:#}\n"))
}

/// Writes `text`. The file is replaced atomically.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    atomic::write(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
