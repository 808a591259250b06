//! `loss.png`: a plot of the training and evaluation losses over the steps.

mod chart;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sst_core::{Event, Tracker};

use super::jsonl::{self, Row};
use crate::error::TrainError;

/// The width and height of the picture in pixels.
pub const SIZE: (u32, u32) = (960, 540);

/// The points of one line: the step and the loss.
type Points = Vec<(f64, f64)>;

/// A tracker that draws the losses at each checkpoint and at the end of the run. It reads them from `metrics.jsonl`, so
/// the plot of a resumed run also shows the steps before the resume.
#[derive(Debug)]
pub struct LossPlot {
    metrics: PathBuf,
    picture: PathBuf,
}

impl LossPlot {
    /// A plot of the file `metrics` (a `metrics.jsonl`), to be drawn to the file `picture` (a PNG).
    pub fn new(metrics: &Path, picture: &Path) -> Self {
        Self { metrics: metrics.to_owned(), picture: picture.to_owned() }
    }

    /// Draws the picture. Writes no file if there is no finite loss yet.
    ///
    /// # Errors
    /// If the metrics cannot be read, or the picture cannot be written.
    pub fn draw(&self) -> Result<(), TrainError> {
        let lines = lines(&jsonl::read(&self.metrics)?);
        if lines.values().all(Vec::is_empty) {
            return Ok(());
        }
        let temporary = self.picture.with_extension("tmp.png");
        let written = chart::draw(&temporary, SIZE, &lines)
            .and_then(|()| std::fs::File::open(&temporary)?.sync_all())
            .and_then(|()| std::fs::rename(&temporary, &self.picture));
        if written.is_err() {
            // The error of writing is reported. An error of removing the temporary file would only hide it.
            let _ = std::fs::remove_file(&temporary);
        }
        written.map_err(TrainError::io(&self.picture))
    }
}

impl Tracker for LossPlot {
    fn on_event(&mut self, event: &Event) -> sst_core::Result<()> {
        if let Event::Saved { .. } | Event::End { .. } = event {
            // The picture can be drawn later from the metrics, so this error does not end the run.
            if let Err(error) = self.draw() {
                tracing::warn!("the plot of the loss was not drawn: {error}");
            }
        }
        Ok(())
    }
}

/// The lines of the plot under the names of their metrics, which the legend shows: `train/loss`, `train/TASK/loss`,
/// `eval/NAME/loss` and `eval/TASK/NAME/loss`.
fn lines(rows: &[Row]) -> BTreeMap<String, Points> {
    let mut lines: BTreeMap<String, Points> = BTreeMap::new();
    for row in rows {
        let Some(step) = row.get("_step").and_then(Value::as_f64) else { continue };
        for (key, value) in row {
            let is_loss = matches!(
                key.split('/').collect::<Vec<_>>()[..],
                ["train", "loss"] | ["train" | "eval", _, "loss"] | ["eval", _, _, "loss"]
            );
            if let Some(value) = value.as_f64().filter(|_| is_loss) {
                lines.entry(key.clone()).or_default().push((step, value));
            }
        }
    }
    lines
}
