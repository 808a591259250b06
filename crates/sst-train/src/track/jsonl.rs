//! `metrics.jsonl`: one flat JSON object for each report.
//!
//! An object holds `_step`, `_timestamp` (seconds since 1970), and the metrics under their logged names, such as
//! `train/loss`. A value that is not finite is `null`.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sst_core::{Error, Event, Tracker};

use super::{logged_metrics, now};
use crate::error::TrainError;

/// One line of the file, parsed.
pub type Row = Map<String, Value>;

/// A tracker that appends to `metrics.jsonl`.
#[derive(Debug)]
pub struct Jsonl {
    path: PathBuf,
    file: File,
}

impl Jsonl {
    /// Opens the file `path` for a run that continues after `step` steps (0 for a new run). The file is first rewritten
    /// without the rows of later steps, and without a last row that a crash has cut off.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(path: &Path, step: u64) -> Result<Self, TrainError> {
        let mut kept = String::new();
        for row in read(path)? {
            if row.get("_step").and_then(Value::as_u64).is_some_and(|of_row| of_row <= step) {
                kept.push_str(&Value::Object(row).to_string());
                kept.push('\n');
            }
        }
        sst_data::atomic::write(path, kept.as_bytes()).map_err(TrainError::io(path))?;
        let file = OpenOptions::new().append(true).open(path).map_err(TrainError::io(path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    fn write(&mut self, event: &Event) -> std::io::Result<()> {
        if let Some((step, metrics)) = logged_metrics(event) {
            let mut row = Row::new();
            row.insert("_step".into(), step.into());
            row.insert("_timestamp".into(), now().into());
            row.extend(metrics.into_iter().map(|(name, value)| (name, value.into())));
            // A row is one write, so that a process that reads the file meanwhile sees complete rows.
            self.file.write_all(format!("{}\n", Value::Object(row)).as_bytes())?;
        }
        if let Event::Saved { .. } | Event::End { .. } = event {
            // After a crash, the file must not lack metrics of steps before the checkpoint.
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

/// The rows of the file `path`; an empty list if there is no such file. A row that cannot be parsed, such as a last row
/// that a crash has cut off, is skipped and logged.
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
                tracing::warn!(
                    "{}:{number} is skipped: it is not a row of metrics ({error})",
                    path.display()
                );
            }
        }
    }
    Ok(rows)
}
