//! Finds the model that `--model` names.

use std::path::Path;

use anyhow::Result;
use sst_cli::render;
use sst_run::model;

pub(crate) use sst_run::model::ModelLocation;

/// Calls [`model::find`], and prints a note if the newest checkpoint of a run is damaged and an older one is used.
///
/// # Errors
/// If there is no model, or its checkpoint is damaged.
pub(crate) fn find(path: &Path) -> Result<ModelLocation> {
    let found = model::find(path)?;
    if let Some(older) = &found.older {
        render::note(&format!("using {}, the newest good checkpoint", older.display()));
    }
    if let Some(best) = &found.best {
        render::note(&format!("using {}, the best checkpoint of the run", best.display()));
    }
    Ok(found)
}
