//! What checkpoints there are, whether they are whole, and which can go: for people, outside a run.

use std::path::{Path, PathBuf};

use sst_core::Metrics;

use super::manifest::Depth;
use super::{Checkpoint, Saver};
use crate::error::TrainError;
use crate::policy::{Action, Best, Retention};
use crate::state::TrainerState;

/// A checkpoint in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The steps that had been done.
    pub step: u64,
    /// Its folder.
    pub path: PathBuf,
    /// Bytes of all its files.
    pub bytes: u64,
    /// The figures that were measured at its step; none if it is broken.
    pub metrics: Metrics,
    /// Its place among the best that the newest whole checkpoint knows of, from 1.
    pub best: Option<usize>,
    /// Whether `latest` points to it.
    pub latest: bool,
    /// What is wrong with it; `None` if it is whole.
    pub broken: Option<String>,
}

/// What [`Saver::prune`] did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Steps that stay, ascending.
    pub kept: Vec<u64>,
    /// Steps that go, ascending.
    pub deleted: Vec<u64>,
    /// Steps whose checkpoint is broken, and why. They stay, for a person to look at.
    pub broken: Vec<(u64, String)>,
    /// Bytes of what goes.
    pub bytes: u64,
}

impl Saver {
    /// All checkpoints, ascending. Files are checked for their presence and length; their content is not
    /// read, for which there is [`Saver::verify`].
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, TrainError> {
        let latest = self.folder().join(super::latest::LATEST).read_link().ok();
        let mut listed = Vec::new();
        let mut best: Vec<Best> = Vec::new();
        for step in self.steps()? {
            let checkpoint = self.checkpoint(step);
            let path = checkpoint.path().to_owned();
            let is_latest = latest.as_deref() == path.file_name().map(Path::new);
            let (metrics, broken) = match whole(&checkpoint, Depth::Lengths) {
                Ok(state) => {
                    let figures = state.figures();
                    best = state.best;
                    (figures, None)
                }
                Err(error) => (Metrics::new(), Some(error.to_string())),
            };
            let bytes = size(&path)?;
            listed.push(Listed {
                step,
                path,
                bytes,
                metrics,
                best: None,
                latest: is_latest,
                broken,
            });
        }
        for entry in &mut listed {
            let place = best.iter().position(|best| best.step == entry.step);
            entry.best = place.filter(|_| entry.broken.is_none()).map(|place| place + 1);
        }
        Ok(listed)
    }

    /// Compares every file of the checkpoint of `step`, or of all, with what was written: for each step,
    /// what is wrong with it, or `None` if it is whole.
    ///
    /// # Errors
    /// If there is no checkpoint of `step`, or the folder cannot be read.
    pub fn verify(&self, step: Option<u64>) -> Result<Vec<(u64, Option<String>)>, TrainError> {
        let mut steps = self.steps()?;
        if let Some(step) = step {
            if !steps.contains(&step) {
                return Err(TrainError::broken(&self.path(step), "there is no such checkpoint"));
            }
            steps = vec![step];
        }
        let verdict = |step| whole(&self.checkpoint(step), Depth::Content).err();
        Ok(steps.into_iter().map(|s| (s, verdict(s).map(|error| error.to_string()))).collect())
    }

    /// Deletes the checkpoints that `retention` does not keep, or only says which those are. Where it asks
    /// for a figure, a checkpoint counts that was evaluated at its own step. The newest stays in any case,
    /// after its content was compared with its manifest. Not to be used while a run writes there.
    ///
    /// # Errors
    /// If no checkpoint is whole, or one cannot be deleted.
    pub fn prune(&self, retention: &Retention, dry_run: bool) -> Result<Pruned, TrainError> {
        let (mut whole_ones, mut pruned) = (Vec::new(), Pruned::default());
        for step in self.steps()?.into_iter().rev() {
            // The content of the one that is relied on, the lengths of the others.
            let depth = if whole_ones.is_empty() { Depth::Content } else { Depth::Lengths };
            match whole(&self.checkpoint(step), depth) {
                Ok(state) => whole_ones.push(state),
                Err(error) => pruned.broken.push((step, error.to_string())),
            }
        }
        whole_ones.reverse();
        pruned.broken.reverse();
        let Some(newest) = whole_ones.last() else {
            return Err(TrainError::broken(self.folder(), "none of its checkpoints is whole"));
        };
        let best: Vec<u64> = ranked(retention, &whole_ones).iter().map(|best| best.step).collect();
        let steps: Vec<u64> = whole_ones.iter().map(|state| state.step).collect();
        for action in retention.after_save(newest.step, &steps, &best) {
            let Action::Delete(step) = action else { continue };
            pruned.bytes += size(&self.path(step))?;
            pruned.deleted.push(step);
            if !dry_run {
                self.delete(step)?;
            }
        }
        pruned.kept = steps.into_iter().filter(|step| !pruned.deleted.contains(step)).collect();
        Ok(pruned)
    }
}

/// The best of the checkpoints with these states, ascending by step.
fn ranked(retention: &Retention, states: &[TrainerState]) -> Vec<Best> {
    let Some(by) = &retention.by else {
        return states.last().map(|state| state.best.clone()).unwrap_or_default();
    };
    let measured = states.iter().filter(|state| state.evaluated == Some(state.step));
    measured.fold(Vec::new(), |best, state| match state.metrics.get(&by.metric) {
        Some(value) => {
            let (step, metric) = (state.step, by.metric.clone());
            retention.rank(best, Best { step, metric, value: *value })
        }
        None => best,
    })
}

/// The state of a checkpoint that is whole.
fn whole(checkpoint: &Checkpoint, depth: Depth) -> Result<TrainerState, TrainError> {
    checkpoint.check(depth)?;
    checkpoint.state()
}

/// Bytes of all files in `folder`.
fn size(folder: &Path) -> Result<u64, TrainError> {
    let mut bytes = 0;
    for entry in folder.read_dir().map_err(TrainError::io(folder))? {
        let path = entry.map_err(TrainError::io(folder))?.path();
        let found = path.symlink_metadata().map_err(TrainError::io(&path))?;
        bytes += if found.is_dir() { size(&path)? } else { found.len() };
    }
    Ok(bytes)
}
