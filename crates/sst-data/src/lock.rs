//! A lock on a file, held by one process at a time: for folders that two processes must not write to at once.
//!
//! The lock is the operating system's (`flock` on Unix), so the kernel releases it however the process ends,
//! a SIGKILL included. The file holds the number of the process that has the lock, for messages; a file that
//! a killed process left behind locks nothing.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::leftovers::{Kind, Leftover};

/// How often a lock that another process holds is tried again.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Why a lock cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{path} is locked by {}", holder(*.pid), path = path.display())]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// The process, if the file tells.
        pid: Option<u32>,
    },
    /// The file cannot be made or locked.
    #[error("cannot lock {path}: {error}", path = path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
}

/// `process 123`, or `another process` where its number is not known.
pub fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// A lock that this process holds until it is dropped. Dropping it removes the file.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    /// `None` on a file system without locks.
    file: Option<File>,
    /// An interrupted process removes the file too.
    _leftover: Option<Leftover>,
}

enum Attempt {
    Taken(FileLock),
    Held(Option<u32>),
}

impl FileLock {
    /// Takes the lock of `path`, a file that is made if it is missing. Another process may hold it for
    /// `patience`: the kernel may still be clearing up after one that was killed just now.
    ///
    /// On a file system that has no locks, this warns and succeeds.
    ///
    /// # Errors
    /// If another process goes on holding it, or the file cannot be made.
    pub fn take(path: &Path, patience: Duration) -> Result<Self, LockError> {
        let started = Instant::now();
        loop {
            match Self::attempt(path)? {
                Attempt::Taken(lock) => return Ok(lock),
                Attempt::Held(pid) if started.elapsed() >= patience => {
                    return Err(LockError::Held { path: path.to_owned(), pid });
                }
                Attempt::Held(_) => std::thread::sleep(TRY_EVERY),
            }
        }
    }

    /// Takes the lock of `path` as [`FileLock::take`] does, and waits for it as long as it takes. `tell` is
    /// called once before the wait, with the process that holds it.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn wait(path: &Path, tell: impl FnOnce(Option<u32>)) -> Result<Self, LockError> {
        let mut tell = Some(tell);
        loop {
            match Self::attempt(path)? {
                Attempt::Taken(lock) => return Ok(lock),
                Attempt::Held(pid) => {
                    if let Some(tell) = tell.take() {
                        tell(pid);
                    }
                    std::thread::sleep(TRY_EVERY);
                }
            }
        }
    }

    fn attempt(path: &Path) -> Result<Attempt, LockError> {
        let failed = |error| LockError::Io { path: path.to_owned(), error };
        loop {
            let options =
                File::options().read(true).write(true).create(true).truncate(false).open(path);
            let mut file = options.map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    // The number is only for the message.
                    let _ = file.take(16).read_to_string(&mut text);
                    return Ok(Attempt::Held(text.trim().parse().ok()));
                }
                Err(TryLockError::Error(error)) if has_no_locks(&error) => {
                    tracing::warn!(
                        "the file system of {} has no locks: see to it that no other process writes there",
                        path.display()
                    );
                    let _ = std::fs::remove_file(path);
                    return Ok(Attempt::Taken(Self {
                        path: path.to_owned(),
                        file: None,
                        _leftover: None,
                    }));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // The process before may have removed the file after it was opened here and before it was locked.
            if is_at(&file, path) {
                // A full disk does not matter: then the number is not known.
                let _ = file.set_len(0);
                let _ = write!(file, "{}", std::process::id());
                let leftover = Leftover::new(path, Kind::File);
                return Ok(Attempt::Taken(Self {
                    path: path.to_owned(),
                    file: Some(file),
                    _leftover: Some(leftover),
                }));
            }
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Removed while it is locked: whoever opened it before sees that it is gone, and makes a new one.
        if self.file.is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn has_no_locks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || [rustix::io::Errno::NOLCK, rustix::io::Errno::NOSYS, rustix::io::Errno::OPNOTSUPP]
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Whether `file` is the one that lies at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}
