//! A lock on a file that one process holds at a time. It protects folders that two processes must not write to at
//! once.
//!
//! The lock is that of the operating system (`flock` on Unix), so the kernel releases it however the process ends,
//! even by SIGKILL. The file holds the process id of the holder, for messages. A file that a killed process left
//! behind locks nothing.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::leftovers::{Kind, Leftover};

/// How long to wait before trying again to take a lock that another process holds.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Why a lock cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("{path} is locked by {}", holder(*.pid), path = path.display())]
    Held {
        /// The path of the lock file.
        path: PathBuf,
        /// The process id of the holder, if the file states it.
        pid: Option<u32>,
    },
    /// The lock file cannot be created or locked.
    #[error("cannot lock {path}: {error}", path = path.display())]
    Io {
        /// The path of the lock file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        error: io::Error,
    },
}

/// Describes the holder: `process 123`, or `another process` if its id is unknown.
pub fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// A lock that this process holds until the value is dropped. Dropping it removes the file.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    /// `None` on a file system that has no locks.
    file: Option<File>,
    /// Removes the file if the process is interrupted.
    _leftover: Option<Leftover>,
}

enum Attempt {
    Taken(FileLock),
    Held(Option<u32>),
}

impl FileLock {
    /// Takes the lock at `path`, and creates the file if it is missing. Waits up to `patience` for another process to
    /// release it, because the kernel may still be cleaning up after a process that was just killed.
    ///
    /// On a file system without locks, this warns and succeeds.
    ///
    /// # Errors
    /// If another process keeps holding the lock, or the file cannot be created.
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

    /// Takes the lock at `path` as [`FileLock::take`] does, but waits without a limit. `notify` is called once before
    /// waiting, with the process id of the holder.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn wait(path: &Path, notify: impl FnOnce(Option<u32>)) -> Result<Self, LockError> {
        let mut notify = Some(notify);
        loop {
            match Self::attempt(path)? {
                Attempt::Taken(lock) => return Ok(lock),
                Attempt::Held(pid) => {
                    if let Some(notify) = notify.take() {
                        notify(pid);
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
                    // The process id is only used in messages.
                    let _ = file.take(16).read_to_string(&mut text);
                    return Ok(Attempt::Held(text.trim().parse().ok()));
                }
                Err(TryLockError::Error(error)) if has_no_locks(&error) => {
                    tracing::warn!(
                        "the file system of {} has no locks: make sure that no other process writes there",
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
            // Another process may have removed the file between opening and locking it here.
            if is_at(&file, path) {
                // A full disk does not matter, because then only the process id is unknown.
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
        // The file is removed while it is locked. A process that opened it before notices that it is gone, and creates
        // a new one.
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

/// Whether `file` is the file that lies at `path` now.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}
