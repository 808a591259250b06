//! Checkpoints on disk. A checkpoint appears under its name only when it is complete.
//!
//! It is first written to the folder `step-N.tmp`. All files are synced to the disk, and a manifest with the length and
//! the SHA-256 of each file is written last. Then the folder is renamed to `step-N`, and its parent folder is synced.
//! Only after that does `latest` point to the checkpoint, and are old checkpoints deleted. A separate thread can do all
//! of this from a copy on the host, while training goes on.

mod checkpoint;
pub(crate) mod files;
mod inventory;
mod latest;
mod manifest;
pub(crate) mod snapshot;
pub(crate) mod writer;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use checkpoint::Checkpoint;
pub use inventory::{CheckpointInfo, Pruned};
pub use snapshot::WriteModel;

use self::manifest::Manifest;
use crate::error::TrainError;

/// The checkpoints of a run, in the folder `RUN/checkpoints`.
#[derive(Debug, Clone)]
pub struct Saver {
    folder: PathBuf,
    /// Locked while this saver or a clone of it writes a checkpoint.
    is_writing: Arc<Mutex<()>>,
}

impl Saver {
    /// The saver of the run in the folder `run_dir`. It does not access the disk yet.
    pub fn new(run_dir: &Path) -> Self {
        Self { folder: run_dir.join("checkpoints"), is_writing: Arc::default() }
    }

    /// Waits until this saver and its clones have finished writing a checkpoint, and lets them begin no other one until
    /// the guard is dropped. Code that ends the process calls it first, so that no checkpoint is cut off.
    pub fn hold(&self) -> MutexGuard<'_, ()> {
        // A save that panicked has left a `.tmp` folder at most, so the lock can still be used.
        self.is_writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of all checkpoints.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the checkpoint of `step`, which need not exist.
    pub fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:08}"))
    }

    /// The checkpoint of `step`, which need not exist and may be broken.
    pub fn checkpoint(&self, step: u64) -> Checkpoint {
        Checkpoint::new(step, self.path(step))
    }

    /// The steps that have a checkpoint, complete or broken, in ascending order.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn steps(&self) -> Result<Vec<u64>, TrainError> {
        let mut steps: Vec<u64> = self.names()?.iter().filter_map(|name| step_of(name)).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// The newest complete checkpoint; `None` if there are no checkpoints. Broken ones are skipped and logged.
    ///
    /// # Errors
    /// If all checkpoints are broken, or the folder cannot be read.
    pub fn latest_good(&self) -> Result<Option<Checkpoint>, TrainError> {
        let steps = self.steps()?;
        for step in steps.iter().rev() {
            let checkpoint = Checkpoint::new(*step, self.path(*step));
            match checkpoint.verify() {
                Ok(()) => return Ok(Some(checkpoint)),
                Err(error) => {
                    tracing::error!("{error}; trying the checkpoint before this one instead");
                }
            }
        }
        if steps.is_empty() {
            return Ok(None);
        }
        Err(TrainError::NoneWhole { path: self.folder.clone() })
    }

    /// Writes the checkpoint of `step`, and points `latest` to it. `fill` writes the files into the folder that it is
    /// given, in which `model/` and `state/` exist already.
    ///
    /// # Errors
    /// If anything cannot be written. No incomplete checkpoint is then left, and earlier checkpoints are untouched.
    pub fn save(
        &self,
        step: u64,
        fill: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<PathBuf, TrainError> {
        let _lock = self.hold();
        let path = self.path(step);
        let temporary = self.folder.join(format!("step-{step:08}.tmp"));
        let result =
            self.write(step, &temporary, fill).and_then(|()| self.publish(step, &temporary));
        match result {
            Ok(()) => Ok(path),
            Err(error) => {
                if let Err(error) = remove(&temporary) {
                    tracing::warn!("an incomplete checkpoint is left: {error}; delete it yourself");
                }
                Err(TrainError::Save { path, reason: error.to_string() })
            }
        }
    }

    /// Writes the files of the checkpoint of `step` and their manifest into the folder `temporary`.
    fn write(
        &self,
        step: u64,
        temporary: &Path,
        fill: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        remove(temporary)?;
        for name in [files::MODEL, files::STATE] {
            let folder = temporary.join(name);
            fs::create_dir_all(&folder).map_err(TrainError::io(&folder))?;
        }
        fill(temporary)?;
        let manifest = Manifest::seal(temporary, step)?;
        files::write_json(&temporary.join(files::MANIFEST), &manifest)
    }

    /// Renames the complete folder `temporary` to the name of the checkpoint of `step`, and points `latest` to it.
    fn publish(&self, step: u64, temporary: &Path) -> Result<(), TrainError> {
        let path = self.path(step);
        self.set_aside(step)?;
        fs::rename(temporary, &path).map_err(TrainError::io(&path))?;
        self.sync()?;
        self.point_latest_to(step)
    }

    /// Deletes the checkpoint of `step`. The folder is first renamed, so that a crash leaves no incomplete folder with
    /// the name of a checkpoint.
    ///
    /// # Errors
    /// If it cannot be renamed or removed.
    pub fn delete(&self, step: u64) -> Result<(), TrainError> {
        let path = self.path(step);
        let temporary = self.folder.join(format!("step-{step:08}.deleted.tmp"));
        remove(&temporary)?;
        fs::rename(&path, &temporary).map_err(TrainError::io(&path))?;
        remove(&temporary)
    }

    /// Removes the folders that a killed run has not written or deleted completely.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn remove_leftovers(&self) -> Result<(), TrainError> {
        for name in self.names()?.iter().filter(|name| name.ends_with(".tmp")) {
            let path = self.folder.join(name);
            tracing::warn!("removing {}, which a killed run left incomplete", path.display());
            remove(&path)?;
        }
        Ok(())
    }

    /// Makes the checkpoint of `step` the latest one. Later checkpoints, whose steps the run now repeats, are renamed
    /// to `step-N.aside`.
    ///
    /// # Errors
    /// If one cannot be renamed.
    pub fn rewind_to(&self, step: u64) -> Result<(), TrainError> {
        for later in self.steps()?.into_iter().filter(|later| *later > step) {
            self.set_aside(later)?;
        }
        self.point_latest_to(step)
    }

    /// Renames the checkpoint of `step`, if there is one, to `step-N.aside`.
    fn set_aside(&self, step: u64) -> Result<(), TrainError> {
        let path = self.path(step);
        if !path.exists() {
            return Ok(());
        }
        let aside = self.folder.join(format!("step-{step:08}.aside"));
        remove(&aside)?;
        fs::rename(&path, &aside).map_err(TrainError::io(&path))?;
        tracing::warn!(
            "{} is renamed to {}, because this run does not continue from it",
            path.display(),
            aside.display()
        );
        Ok(())
    }

    /// Writes the folder of all checkpoints to the disk (fsync).
    fn sync(&self) -> Result<(), TrainError> {
        let folder = fs::File::open(&self.folder).and_then(|folder| folder.sync_all());
        folder.map_err(TrainError::io(&self.folder))
    }

    /// The names in the folder of all checkpoints; an empty list if there is no such folder yet.
    fn names(&self) -> Result<Vec<String>, TrainError> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        let entries = self.folder.read_dir().map_err(TrainError::io(&self.folder))?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect::<std::io::Result<_>>().map_err(TrainError::io(&self.folder))
    }
}

/// The step in `step-00000200`; `None` for any other name.
fn step_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("step-")?;
    let plain = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Removes a file, a link, or a folder with its contents. Does nothing if there is none.
fn remove(path: &Path) -> Result<(), TrainError> {
    let result = match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    result.map_err(TrainError::io(path))
}
