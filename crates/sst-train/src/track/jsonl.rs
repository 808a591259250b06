//! `metrics.jsonl`: one flat object a report.
//!
//! Each holds `_step`, `_timestamp` (seconds since 1970) and figures with slashes in their names. A
//! figure that is not finite is `null`.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sst_core::{Error, Event, Tracker};

use super::{now, scalars};
use crate::error::TrainError;

/// One row.
pub type Row = Map<String, Value>;

/// Appends to `metrics.jsonl`.
#[derive(Debug)]
pub struct Jsonl {
    path: PathBuf,
    file: File,
}

impl Jsonl {
    /// Opens `path` for a run that goes on after `step` (0 for a new run): rows of later steps, and a row
    /// that a crash cut off, are taken out by writing the file anew.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(path: &Path, step: u64) -> Result<Self, TrainError> {
        let mut kept = String::new();
        for row in read(path)? {
            if row.get("_step").and_then(Value::as_u64).is_some_and(|at| at <= step) {
                kept.push_str(&Value::Object(row).to_string());
                kept.push('\n');
            }
        }
        sst_data::atomic::write(path, kept.as_bytes()).map_err(TrainError::io(path))?;
        let file = OpenOptions::new().append(true).open(path).map_err(TrainError::io(path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    fn write(&mut self, event: &Event) -> std::io::Result<()> {
        if let Some((step, figures)) = scalars(event) {
            let mut row = Row::new();
            row.insert("_step".into(), step.into());
            row.insert("_timestamp".into(), now().into());
            row.extend(figures.into_iter().map(|(name, value)| (name, value.into())));
            // One write a row, so that a reader beside us sees whole rows.
            self.file.write_all(format!("{}\n", Value::Object(row)).as_bytes())?;
        }
        if let Event::Saved { .. } | Event::End { .. } = event {
            // A checkpoint on disk must not be ahead of the record that leads up to it.
            self.file.sync_data()?;
        }
        Ok(())
    }
}

impl Tracker for Jsonl {
    fn on_event(&mut self, event: &Event) -> sst_core::Result<()> {
        self.write(event).map_err(|source| Error::Io { path: self.path.clone(), source })
    }
}

/// The rows of `path`; none if there is no such file. A row that does not parse, as a crash leaves at the
/// end, is named in the log and passed over.
///
/// # Errors
/// If the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Row>, TrainError> {
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.map_err(TrainError::io(path))?,
    };
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        if line.is_empty() {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(row) => rows.push(row),
            Err(error) => {
                tracing::warn!("{}:{number} is not a row of metrics ({error})", path.display());
            }
        }
    }
    Ok(rows)
}
