//! Finds the model that a command is pointed at, and tells which one it is where that is not plain.

use std::path::Path;

use anyhow::Result;
use sst_cli::render;
use sst_run::model;

pub(crate) use sst_run::model::ModelLocation;

/// [`model::find`], with a note where a run's newest checkpoint is damaged and an older one is used.
///
/// # Errors
/// If there is no model, or its checkpoint is damaged.
pub(crate) fn find(path: &Path) -> Result<ModelLocation> {
    let found = model::find(path)?;
    if let Some(older) = &found.older {
        render::note(&format!("using {}, the newest good checkpoint", older.display()));
    }
    Ok(found)
}
