//! The lock on a run folder: one process trains in it, or deletes checkpoints of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sst_data::leftovers::{Kind, Leftover};
use sst_data::lock::{FileLock, LockError, holder};

use crate::error::{Result, RunError};

const LOCK: &str = "run.lock";
/// How long to wait for a lock: after a process was killed, the system needs a moment to release its lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// The lock on a run folder, released on drop. If the folder was created for the lock and nothing was written to it,
/// it is removed as well.
pub struct RunLock {
    lock: Option<FileLock>,
    /// The folders that were created, the innermost first.
    made: Vec<PathBuf>,
    /// If the process is interrupted, these remove the empty folders.
    _leftovers: Vec<Leftover>,
}

impl RunLock {
    /// Locks the run in `folder`, which is created if it does not exist.
    ///
    /// # Errors
    /// If another process holds the lock; the message has its process id. If the folder cannot be created.
    pub fn take(folder: &Path) -> Result<Self> {
        let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let made: Vec<PathBuf> =
            folder.ancestors().take_while(missing).map(Path::to_owned).collect();
        let leftovers = made.iter().map(|folder| Leftover::new(folder, Kind::EmptyFolder));
        let mut run_lock = Self { lock: None, _leftovers: leftovers.collect(), made };
        std::fs::create_dir_all(folder).map_err(RunError::io("create", folder))?;
        match FileLock::take(&folder.join(LOCK), LOCK_TIMEOUT) {
            Ok(lock) => run_lock.lock = Some(lock),
            Err(LockError::Held { pid, .. }) => {
                let message = format!(
                    "{} is in use by {}, which trains there or deletes its checkpoints: wait until it ends, \
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
        // The lock file is removed first; otherwise the folder is not empty.
        self.lock = None;
        for folder in &self.made {
            // This fails if the folder is not empty, as intended.
            if std::fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}
