//! The lock on a run folder: one process trains in it, or deletes checkpoints of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sst_data::leftovers::{Kind, Leftover};
use sst_data::lock::{FileLock, LockError, holder};

use crate::error::{Result, RunError};

const LOCK: &str = "run.lock";
/// How long the lock may still be held: the system takes a moment to clear up after a process that was killed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Held as long as it lives. If nothing was written to a folder that was made for the lock, the folder goes
/// with it.
pub struct RunLock {
    lock: Option<FileLock>,
    /// The folders that were made, the innermost first.
    made: Vec<PathBuf>,
    /// An interrupted process removes them too.
    _leftovers: Vec<Leftover>,
}

impl RunLock {
    /// Locks the run in `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// If another process holds the lock, with its number; or if the folder cannot be made.
    pub fn take(folder: &Path) -> Result<Self> {
        let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let made: Vec<PathBuf> =
            folder.ancestors().take_while(missing).map(Path::to_owned).collect();
        let leftovers = made.iter().map(|folder| Leftover::new(folder, Kind::EmptyFolder));
        let mut run_lock = Self { lock: None, _leftovers: leftovers.collect(), made };
        std::fs::create_dir_all(folder).map_err(RunError::io("create", folder))?;
        match FileLock::take(&folder.join(LOCK), PATIENCE) {
            Ok(lock) => run_lock.lock = Some(lock),
            Err(LockError::Held { pid, .. }) => {
                let message = format!(
                    "{} is in use by {}, which trains there or deletes checkpoints of it: wait until it ends, \
                     or start another run with --set run.name=NAME",
                    folder.display(),
                    holder(pid)
                );
                return Err(RunError::Folder(message));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(run_lock)
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The lock's file first, or the folder is not empty.
        self.lock = None;
        for folder in &self.made {
            // Fails where something was written, and is to.
            if std::fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}
