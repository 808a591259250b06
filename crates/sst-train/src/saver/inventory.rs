//! Listing, verifying and pruning the checkpoints of a run, for commands that are used while it is not running.

use std::path::{Path, PathBuf};

use sst_core::Metrics;

use super::manifest::Depth;
use super::{Checkpoint, Saver};
use crate::error::TrainError;
use crate::policy::{Action, Best, Retention};
use crate::state::TrainerState;

/// A checkpoint in the list of [`Saver::list`].
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointInfo {
    /// The number of steps done.
    pub step: u64,
    /// The folder of the checkpoint.
    pub path: PathBuf,
    /// The size of all files in bytes.
    pub bytes: u64,
    /// The metrics that were measured at this step; empty if the checkpoint is broken.
    pub metrics: Metrics,
    /// The rank among the best checkpoints that the newest complete checkpoint lists: 1 for the best one.
    pub best: Option<usize>,
    /// Whether the link `latest` points to it.
    pub latest: bool,
    /// Why the checkpoint is broken; `None` if it is complete.
    pub broken: Option<String>,
}

/// The checkpoints that [`Saver::prune`] has kept and deleted, or in a dry run would keep and delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The steps of the checkpoints that are kept, ascending.
    pub kept: Vec<u64>,
    /// The steps of the checkpoints that are deleted, ascending.
    pub deleted: Vec<u64>,
    /// The steps of broken checkpoints, ascending, with the reason. They are not deleted: the user decides.
    pub broken: Vec<(u64, String)>,
    /// The size of the deleted checkpoints in bytes.
    pub bytes: u64,
}

impl Saver {
    /// All checkpoints, ascending by step. A checkpoint counts as complete if all of its files exist and have their
    /// lengths. Their contents are not read; [`Saver::verify`] does that.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&self) -> Result<Vec<CheckpointInfo>, TrainError> {
        let latest = self.folder().join(super::latest::LATEST).read_link().ok();
        let mut infos = Vec::new();
        let mut best: Vec<Best> = Vec::new();
        for step in self.steps()? {
            let checkpoint = self.checkpoint(step);
            let path = checkpoint.path().to_owned();
            let is_latest = latest.as_deref() == path.file_name().map(Path::new);
            let (metrics, broken) = match complete_state(&checkpoint, Depth::Lengths) {
                Ok(state) => {
                    let metrics = state.metrics_of_step();
                    best = state.best;
                    (metrics, None)
                }
                Err(error) => (Metrics::new(), Some(error.to_string())),
            };
            let bytes = size(&path)?;
            let latest = is_latest;
            infos.push(CheckpointInfo { step, path, bytes, metrics, best: None, latest, broken });
        }
        for info in &mut infos {
            let index = best.iter().position(|best| best.step == info.step);
            info.best = index.filter(|_| info.broken.is_none()).map(|index| index + 1);
        }
        Ok(infos)
    }

    /// Compares every file of the checkpoint of `step`, or of all checkpoints, with its manifest. Returns for each step
    /// why its checkpoint is broken, or `None` if it is complete.
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
        let error = |step| complete_state(&self.checkpoint(step), Depth::Content).err();
        Ok(steps.into_iter().map(|step| (step, error(step).map(|e| e.to_string()))).collect())
    }

    /// Deletes the checkpoints that `retention` does not keep. With `dry_run` it deletes nothing, and only returns
    /// which ones it would delete. If `retention` names a metric, only the checkpoints that were evaluated at their own
    /// step are ranked.
    ///
    /// The newest complete checkpoint is always kept, and every byte of it is compared with its manifest. No run may
    /// write to the folder at the same time.
    ///
    /// # Errors
    /// If no checkpoint is complete, or one cannot be deleted.
    pub fn prune(&self, retention: &Retention, dry_run: bool) -> Result<Pruned, TrainError> {
        let (mut complete, mut pruned) = (Vec::new(), Pruned::default());
        for step in self.steps()?.into_iter().rev() {
            // The newest complete checkpoint is the one to resume from, so its content is checked as well.
            let depth = if complete.is_empty() { Depth::Content } else { Depth::Lengths };
            match complete_state(&self.checkpoint(step), depth) {
                Ok(state) => complete.push(state),
                Err(error) => pruned.broken.push((step, error.to_string())),
            }
        }
        complete.reverse();
        pruned.broken.reverse();
        let Some(newest) = complete.last() else {
            return Err(TrainError::broken(self.folder(), "none of its checkpoints is whole"));
        };
        let best: Vec<u64> = ranked(retention, &complete).iter().map(|best| best.step).collect();
        let steps: Vec<u64> = complete.iter().map(|state| state.step).collect();
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

/// The best checkpoints, the best one first. `states` are those of all complete checkpoints, ascending by step.
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

/// The state of a checkpoint.
///
/// # Errors
/// If the checkpoint is broken or cannot be resumed.
fn complete_state(checkpoint: &Checkpoint, depth: Depth) -> Result<TrainerState, TrainError> {
    checkpoint.check(depth)?;
    checkpoint.state()
}

/// The size of all files in `folder` in bytes.
fn size(folder: &Path) -> Result<u64, TrainError> {
    let mut bytes = 0;
    for entry in folder.read_dir().map_err(TrainError::io(folder))? {
        let path = entry.map_err(TrainError::io(folder))?.path();
        let metadata = path.symlink_metadata().map_err(TrainError::io(&path))?;
        bytes += if metadata.is_dir() { size(&path)? } else { metadata.len() };
    }
    Ok(bytes)
}
