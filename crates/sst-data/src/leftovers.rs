//! Removes the unfinished files and folders of this process if it is interrupted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The kind of thing at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder, which is removed with everything in it.
    Folder,
    /// A folder that is removed only if it is empty.
    EmptyFolder,
}

static PATHS: Mutex<BTreeMap<PathBuf, Kind>> = Mutex::new(BTreeMap::new());

fn lock() -> MutexGuard<'static, BTreeMap<PathBuf, Kind>> {
    PATHS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path that [`remove_all`] removes as long as this value exists.
#[derive(Debug)]
pub struct Leftover {
    path: PathBuf,
}

impl Leftover {
    /// Registers `path`. Call this before anything is created there.
    pub fn new(path: &Path, kind: Kind) -> Self {
        lock().insert(path.to_owned(), kind);
        Self { path: path.to_owned() }
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        lock().remove(&self.path);
    }
}

/// Removes everything unfinished, for a process that ends right after this. A thread that creates or finishes a file
/// from now on waits forever.
pub fn remove_all() {
    let paths = lock();
    // The process ends even if a path cannot be removed.
    for (path, kind) in paths.iter() {
        match kind {
            Kind::File => drop(fs::remove_file(path)),
            Kind::Folder => drop(fs::remove_dir_all(path)),
            Kind::EmptyFolder => {}
        }
    }
    // A folder comes before the folders inside it, so these are removed in reverse order.
    for (path, _) in paths.iter().rev().filter(|(_, kind)| **kind == Kind::EmptyFolder) {
        let _ = fs::remove_dir(path);
    }
    std::mem::forget(paths);
}
