//! Compares a run that was killed and resumed with an uninterrupted one, bit for bit.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use sst_train::Saver;

use crate::error::{Result, RunError};

const METRICS: &str = "metrics.jsonl";

/// Returns the differences between two runs, one sentence each. Compares every file of the checkpoint of step
/// `steps`, and every metric in metrics.jsonl except timings. Both runs must have the same name, because it is
/// written to their model cards.
///
/// # Errors
/// If one of them has no such checkpoint, or a file cannot be read.
pub fn differences(whole_run: &Path, broken_run: &Path, steps: u64) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    let checkpoint = |run: &Path| Saver::new(run).path(steps);
    let (whole, broken) = (files(&checkpoint(whole_run))?, files(&checkpoint(broken_run))?);
    for (name, bytes) in &whole {
        match broken.get(name) {
            None => differences.push(format!("{name} is missing after the kills")),
            Some(other) if other != bytes => differences.push(format!("{name} differs")),
            Some(_) => {}
        }
    }
    differences.extend(
        broken
            .keys()
            .filter(|name| !whole.contains_key(*name))
            .map(|name| format!("{name} is new")),
    );
    let (whole, broken) = (logged_metrics(whole_run)?, logged_metrics(broken_run)?);
    if whole.len() != broken.len() {
        differences.push(format!("{} lines of metrics instead of {}", broken.len(), whole.len()));
    }
    for (whole, broken) in whole.iter().zip(&broken) {
        let at = &whole["_step"];
        for (key, value) in whole {
            let other = broken.get(key);
            if other != Some(value) {
                let other = other.map_or("absent".to_owned(), Value::to_string);
                differences.push(format!("step {at}: {key} is {other} instead of {value}"));
            }
        }
    }
    Ok(differences)
}

/// The last step that the run in `folder` has logged; 0 if there is none.
pub fn last_logged_step(folder: &Path) -> u64 {
    let text = std::fs::read_to_string(folder.join(METRICS)).unwrap_or_default();
    let last = text.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
    last.and_then(|row| row["_step"].as_u64()).unwrap_or(0)
}

/// Reads the lines of metrics.jsonl without timestamps and timings.
fn logged_metrics(run: &Path) -> Result<Vec<Map<String, Value>>> {
    let path = run.join(METRICS);
    let text = std::fs::read_to_string(&path).map_err(RunError::io("read", &path))?;
    let rows = text.lines().map(|line| {
        let mut row: Map<String, Value> = serde_json::from_str(line)
            .map_err(|error| RunError::content(&path, format!("is not JSON lines: {error}")))?;
        row.retain(|key, _| key != "_timestamp" && !key.starts_with("perf/"));
        Ok(row)
    });
    rows.collect()
}

/// Reads the files of a checkpoint. In trainer.json, timings are set to null.
fn files(checkpoint: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut all = BTreeMap::new();
    for folder in ["model", "state"] {
        let folder_path = checkpoint.join(folder);
        let entries = folder_path.read_dir().map_err(RunError::io("read", &folder_path))?;
        for entry in entries {
            let path = entry.map_err(RunError::io("read", &folder_path))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut bytes = std::fs::read(&path).map_err(RunError::io("read", &path))?;
            if name == "trainer.json" {
                let mut state: Value = serde_json::from_slice(&bytes)?;
                for pointer in ["/spent/seconds", "/window/seconds", "/window/loader_wait"] {
                    if let Some(value) = state.pointer_mut(pointer) {
                        *value = Value::Null;
                    }
                }
                bytes = serde_json::to_vec(&state)?;
            }
            all.insert(format!("{folder}/{name}"), bytes);
        }
    }
    Ok(all)
}
