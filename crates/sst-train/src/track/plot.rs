//! `loss.png`: training and held-out loss over the steps.

mod chart;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sst_core::{Event, Tracker};

use super::jsonl::{self, Row};
use crate::error::TrainError;

/// Width and height of the picture in pixels.
pub const SIZE: (u32, u32) = (960, 540);

/// Points of one line: step and loss.
type Points = Vec<(f64, f64)>;

/// Draws the loss again at each checkpoint and at the end, from `metrics.jsonl`, so that a resumed run
/// shows all of it.
#[derive(Debug)]
pub struct LossPlot {
    metrics: PathBuf,
    picture: PathBuf,
}

impl LossPlot {
    /// A plot of `metrics` (a `metrics.jsonl`) in `picture` (a PNG).
    pub fn new(metrics: &Path, picture: &Path) -> Self {
        Self { metrics: metrics.to_owned(), picture: picture.to_owned() }
    }

    /// Draws it now. With no finite loss yet, nothing is drawn.
    ///
    /// # Errors
    /// If the metrics cannot be read or the picture not be written.
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
            // The first error is the one worth reporting; the leftover is removed if it can be.
            let _ = std::fs::remove_file(&temporary);
        }
        written.map_err(TrainError::io(&self.picture))
    }
}

impl Tracker for LossPlot {
    fn on_event(&mut self, event: &Event) -> sst_core::Result<()> {
        if let Event::Saved { .. } | Event::End { .. } = event {
            // The picture can be drawn again from the metrics: no reason to end a run.
            if let Err(error) = self.draw() {
                tracing::warn!("the loss was not drawn: {error}");
            }
        }
        Ok(())
    }
}

/// `train/loss`, `train/TASK/loss`, `eval/NAME/loss` and `eval/TASK/NAME/loss`, under these names, which are those of
/// metrics.jsonl and stand in the legend.
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
