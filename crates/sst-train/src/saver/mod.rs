//! Checkpoints on disk: a whole one or none.
//!
//! A checkpoint is written as `step-N.tmp`, every file is synced, a manifest with the length and SHA-256
//! of each is written last, the folder is renamed to `step-N` and the folder above synced. Only then does
//! `latest` point to it, and only then are old ones deleted. All of that can happen on a thread of its own,
//! from a copy on the host, while training goes on.

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
pub use inventory::{Listed, Pruned};
pub use snapshot::WriteModel;

use self::manifest::Manifest;
use crate::error::TrainError;

/// The checkpoints of a run, in `RUN/checkpoints`.
#[derive(Debug, Clone)]
pub struct Saver {
    folder: PathBuf,
    /// Held while a checkpoint is written, by this saver or a clone of it.
    gate: Arc<Mutex<()>>,
}

impl Saver {
    /// The saver of the run in `run_dir`. Touches nothing yet.
    pub fn new(run_dir: &Path) -> Self {
        Self { folder: run_dir.join("checkpoints"), gate: Arc::default() }
    }

    /// Waits until the checkpoint that this saver or a clone of it is writing is whole (or has failed); none begins
    /// while what this returns is kept. So who is about to end the process knows which checkpoints stand.
    pub fn hold(&self) -> MutexGuard<'_, ()> {
        // A save that panicked has no say in this: what it left is a `.tmp`.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder that holds the checkpoints.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the checkpoint of `step`, there or not.
    pub fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:08}"))
    }

    /// The checkpoint of `step`, there or not, whole or not.
    pub fn checkpoint(&self, step: u64) -> Checkpoint {
        Checkpoint::new(step, self.path(step))
    }

    /// The steps with a checkpoint, whole or not, in ascending order.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn steps(&self) -> Result<Vec<u64>, TrainError> {
        let mut steps: Vec<u64> = self.names()?.iter().filter_map(|name| step_of(name)).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// The newest checkpoint that is whole. Broken ones are named in the log and passed over.
    ///
    /// # Errors
    /// If there are checkpoints and none is whole, or the folder cannot be read.
    pub fn latest_good(&self) -> Result<Option<Checkpoint>, TrainError> {
        let steps = self.steps()?;
        for step in steps.iter().rev() {
            let checkpoint = Checkpoint::new(*step, self.path(*step));
            match checkpoint.verify() {
                Ok(()) => return Ok(Some(checkpoint)),
                Err(error) => tracing::error!("{error}; going back to the checkpoint before it"),
            }
        }
        if steps.is_empty() {
            return Ok(None);
        }
        Err(TrainError::NoneWhole { path: self.folder.clone() })
    }

    /// Writes the checkpoint of `step`: `fill` writes its files into the folder it is given, in which
    /// `model/` and `state/` already stand.
    ///
    /// # Errors
    /// If anything cannot be written: nothing is left of it then, and the checkpoints before it are
    /// untouched.
    pub fn save(
        &self,
        step: u64,
        fill: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<PathBuf, TrainError> {
        let _one = self.hold();
        let path = self.path(step);
        let temporary = self.folder.join(format!("step-{step:08}.tmp"));
        let result =
            self.write(step, &temporary, fill).and_then(|()| self.publish(step, &temporary));
        match result {
            Ok(()) => Ok(path),
            Err(error) => {
                if let Err(error) = remove(&temporary) {
                    tracing::warn!("{error}; delete it by hand");
                }
                Err(TrainError::Save { path, reason: error.to_string() })
            }
        }
    }

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

    fn publish(&self, step: u64, temporary: &Path) -> Result<(), TrainError> {
        let path = self.path(step);
        self.set_aside(step)?;
        fs::rename(temporary, &path).map_err(TrainError::io(&path))?;
        self.sync()?;
        self.point_latest_to(step)
    }

    /// Deletes the checkpoint of `step`. It is renamed first, so that a crash leaves no half checkpoint
    /// under its name.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn delete(&self, step: u64) -> Result<(), TrainError> {
        let path = self.path(step);
        let doomed = self.folder.join(format!("step-{step:08}.deleted.tmp"));
        remove(&doomed)?;
        fs::rename(&path, &doomed).map_err(TrainError::io(&path))?;
        remove(&doomed)
    }

    /// Removes what a killed run left half written or half deleted.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove_leftovers(&self) -> Result<(), TrainError> {
        for name in self.names()?.iter().filter(|name| name.ends_with(".tmp")) {
            let path = self.folder.join(name);
            tracing::warn!("removing {}, left unfinished by a run that was killed", path.display());
            remove(&path)?;
        }
        Ok(())
    }

    /// Makes `step` the latest checkpoint: those after it belong to a future that is now run again (or
    /// are broken), and are renamed to `step-N.aside`.
    ///
    /// # Errors
    /// If one cannot be renamed.
    pub fn rewind_to(&self, step: u64) -> Result<(), TrainError> {
        for later in self.steps()?.into_iter().filter(|later| *later > step) {
            self.set_aside(later)?;
        }
        self.point_latest_to(step)
    }

    fn set_aside(&self, step: u64) -> Result<(), TrainError> {
        let path = self.path(step);
        if !path.exists() {
            return Ok(());
        }
        let aside = self.folder.join(format!("step-{step:08}.aside"));
        remove(&aside)?;
        fs::rename(&path, &aside).map_err(TrainError::io(&path))?;
        tracing::warn!(
            "{} is from a run that went another way: now {}",
            path.display(),
            aside.display()
        );
        Ok(())
    }

    fn sync(&self) -> Result<(), TrainError> {
        let folder = fs::File::open(&self.folder).and_then(|folder| folder.sync_all());
        folder.map_err(TrainError::io(&self.folder))
    }

    /// The names in the folder; none if there is no folder yet.
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

/// Removes a file, a link or a folder with all in it, if it is there.
fn remove(path: &Path) -> Result<(), TrainError> {
    let result = match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    result.map_err(TrainError::io(path))
}
