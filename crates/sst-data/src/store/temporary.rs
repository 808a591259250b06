//! The temporary folder that a store is built in.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::StoreError;
use crate::atomic;

/// A temporary folder that is not written to for this long belongs to a build that was killed.
const STALE_AFTER: Duration = Duration::from_secs(60 * 60);

/// Numbers the builds of this process.
static BUILDS: AtomicU64 = AtomicU64::new(0);

/// The folder that a store is built in. It is removed if it is dropped before it is published.
#[derive(Debug)]
pub(crate) struct TemporaryFolder {
    pub(crate) path: PathBuf,
}

impl TemporaryFolder {
    /// Creates a folder for a build of `cache/fingerprint`, and removes the folders of builds of it that were killed
    /// at least an hour ago.
    pub(crate) fn create(cache: &Path, fingerprint: &str) -> Result<Self, StoreError> {
        std::fs::create_dir_all(cache).map_err(StoreError::io("create", cache))?;
        remove_stale(cache, fingerprint);
        loop {
            let build = BUILDS.fetch_add(1, Ordering::Relaxed);
            let path = cache.join(format!("{fingerprint}.{}-{build}.tmp", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                // A killed process with the same process id left this folder.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::io("create", &path)(error)),
            }
        }
    }

    /// Renames the folder to `place`. If another builder was faster and its store `is_whole`, that store is kept,
    /// because both were built from the same sources.
    pub(crate) fn publish(
        &self,
        place: &Path,
        is_whole: impl Fn(&Path) -> bool,
    ) -> Result<(), StoreError> {
        const ATTEMPTS: usize = 8;
        for _ in 0..ATTEMPTS {
            match std::fs::rename(&self.path, place) {
                Ok(()) => {
                    return atomic::sync_parent(place).map_err(StoreError::io("sync", place));
                }
                Err(error) if !place.exists() => {
                    return Err(StoreError::io("rename the finished store to", place)(error));
                }
                Err(_) if is_whole(place) => return Ok(()),
                Err(_) => set_aside(place),
            }
        }
        Err(StoreError::damaged(place, "it cannot be replaced"))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // After a rename this path does not exist any more. A folder that cannot be removed now is removed by a later
        // build.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Moves a damaged store out of the way, then removes it.
fn set_aside(place: &Path) {
    let build = BUILDS.fetch_add(1, Ordering::Relaxed);
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{build}.damaged.tmp", std::process::id()));
    let aside = place.with_file_name(name);
    tracing::warn!(path = %place.display(), "the prepared store is damaged and is replaced");
    // If another process has removed it first, the next attempt to rename succeeds.
    if std::fs::rename(place, &aside).is_ok() {
        let _ = std::fs::remove_dir_all(&aside);
    }
}

/// Removes build folders of `fingerprint` that nobody has written to for [`STALE_AFTER`].
fn remove_stale(cache: &Path, fingerprint: &str) {
    let Ok(entries) = std::fs::read_dir(cache) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = name.starts_with(fingerprint) && name.ends_with(".tmp");
        if ours && last_change(&entry.path()).is_some_and(|age| age > STALE_AFTER) {
            tracing::info!(path = %entry.path().display(), "removing a build that was killed");
            // Another process may be removing it at the same time.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The time since the newest file of `folder`, or the folder itself, was changed.
fn last_change(folder: &Path) -> Option<Duration> {
    let folder_time = std::fs::metadata(folder).and_then(|m| m.modified()).ok();
    let files = std::fs::read_dir(folder).ok()?.flatten();
    let newest =
        files.filter_map(|f| f.metadata().ok()?.modified().ok()).chain(folder_time).max()?;
    SystemTime::now().duration_since(newest).ok()
}
