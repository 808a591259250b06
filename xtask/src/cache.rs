//! The per-user cache, shared by all clones. A folder in it is either complete or absent.
//!
//! A folder is filled under a temporary name, listed in a stamp file, synced and renamed. A lock lets one process at
//! a time do so. A process killed at any moment leaves at most temporary files, which the next one removes.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

const STAMP: &str = ".sst-stamp.json";

/// The stamp of a complete folder: what it was made from and what it holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    version: u32,
    /// The fingerprint of the sources and of the files taken from them. If it changes, the folder is rebuilt.
    fingerprint: String,
    /// Every file with its length in bytes.
    files: BTreeMap<String, u64>,
}

/// The cache folder of this user.
pub(crate) struct Cache {
    root: PathBuf,
}

/// The lock that is held while something is added to the cache.
pub(crate) struct Lock {
    _file: File,
}

impl Cache {
    /// `$XDG_CACHE_HOME/sst`, or else `~/Library/Caches/sst` on macOS and `~/.cache/sst` elsewhere.
    pub(crate) fn open() -> Result<Self> {
        let absolute =
            |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = match (absolute("XDG_CACHE_HOME"), absolute("HOME")) {
            (Some(cache), _) => cache,
            (None, Some(home)) if cfg!(target_os = "macos") => home.join("Library/Caches"),
            (None, Some(home)) => home.join(".cache"),
            (None, None) => {
                bail!("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep downloads")
            }
        };
        Self::at(base.join("sst"))
    }

    /// A cache in `root`, which is created if it does not exist.
    pub(crate) fn at(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        Ok(Self { root })
    }

    /// The folder of the cache.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Waits until no other process adds to the cache.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let path = self.root.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot write to {}", self.root.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("another xtask is filling {}; waiting for it", self.root.display());
                file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        Ok(Lock { _file: file })
    }

    /// Returns the folder `name`. Unless it is complete and has this fingerprint, `fill` builds it.
    ///
    /// `fill` gets an empty folder and the lock. If it fails, the folder is removed.
    pub(crate) fn install(
        &self,
        name: &str,
        fingerprint: &str,
        fill: impl FnOnce(&Path, &Lock) -> Result<()>,
    ) -> Result<PathBuf> {
        let target = self.root.join(name);
        if is_whole(&target, fingerprint) {
            return Ok(target);
        }
        let lock = self.lock()?;
        if is_whole(&target, fingerprint) {
            return Ok(target);
        }
        let partial = self.root.join(format!("{name}.partial"));
        remove(&partial)?;
        let made = fs::create_dir_all(&partial)
            .map_err(anyhow::Error::from)
            .and_then(|()| fill(&partial, &lock))
            .and_then(|()| seal(&partial, fingerprint));
        if let Err(error) = made {
            // Only the first error is reported.
            let _ = remove(&partial);
            return Err(error).with_context(|| format!("cannot make {}", target.display()));
        }
        let old = self.root.join(format!("{name}.old"));
        remove(&old)?;
        if target.exists() {
            fs::rename(&target, &old)?;
        }
        fs::rename(&partial, &target)
            .with_context(|| format!("cannot rename {}", partial.display()))?;
        File::open(target.parent().unwrap_or(&self.root))?.sync_all()?;
        remove(&old)?;
        Ok(target)
    }
}

/// Whether `dir` has a stamp with this fingerprint, and every file in the stamp exists with its full length.
pub(crate) fn is_whole(dir: &Path, fingerprint: &str) -> bool {
    read_stamp(dir).is_some_and(|stamp| stamp.fingerprint == fingerprint && holds(dir, &stamp))
}

/// Whether `dir` was built by [`Cache::install`] and has lost files since.
pub(crate) fn is_damaged(dir: &Path) -> bool {
    read_stamp(dir).is_some_and(|stamp| !holds(dir, &stamp))
}

fn read_stamp(dir: &Path) -> Option<Stamp> {
    serde_json::from_slice(&fs::read(dir.join(STAMP)).ok()?).ok()
}

fn holds(dir: &Path, stamp: &Stamp) -> bool {
    stamp.files.iter().all(|(name, length)| {
        fs::metadata(dir.join(name)).is_ok_and(|found| found.is_file() && found.len() == *length)
    })
}

/// Writes a stamp that lists all files of `dir`, and syncs everything to disk.
fn seal(dir: &Path, fingerprint: &str) -> Result<()> {
    let mut stamp =
        Stamp { version: 1, fingerprint: fingerprint.to_owned(), files: BTreeMap::new() };
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = File::open(&path)?;
            file.sync_all().with_context(|| format!("cannot sync {}", path.display()))?;
            let name = path.strip_prefix(dir)?.to_string_lossy().into_owned();
            stamp.files.insert(name, file.metadata()?.len());
        }
        File::open(&folder)?.sync_all()?;
    }
    let mut file = File::create(dir.join(STAMP))?;
    file.write_all(&serde_json::to_vec(&stamp)?)?;
    file.sync_all()?;
    File::open(dir)?.sync_all()?;
    Ok(())
}

/// Removes a folder if it exists.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn put(dir: &Path, name: &str, text: &str) -> Result<()> {
        fs::create_dir_all(dir.join(name).parent().unwrap())?;
        Ok(File::create(dir.join(name))?.write_all(text.as_bytes())?)
    }

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("sst")).unwrap();
        (dir, cache)
    }

    #[test]
    fn made_once() {
        let (_dir, cache) = cache();
        let first = cache.install("x", "f", |dir, _| put(dir, "a/b", "text")).unwrap();
        let second = cache.install("x", "f", |_, _| bail!("made twice")).unwrap();
        assert_eq!(first, second);
        assert_eq!(fs::read_to_string(first.join("a/b")).unwrap(), "text");
    }

    #[test]
    fn a_failure_or_a_kill_leaves_nothing_taken_for_whole() {
        let (_dir, cache) = cache();
        let failing = |dir: &Path, _: &Lock| {
            put(dir, "a", "half")?;
            bail!("the line went dead")
        };
        assert!(cache.install("x", "f", failing).is_err());
        assert!(!cache.root().join("x").exists() && !cache.root().join("x.partial").exists());
        // This is what a SIGKILL leaves: a partly filled folder, and even a target folder without a stamp.
        put(&cache.root().join("x.partial"), "stale", "half").unwrap();
        put(&cache.root().join("x"), "a", "half").unwrap();
        let made = cache.install("x", "f", |dir, _| put(dir, "a", "whole")).unwrap();
        assert_eq!(fs::read_to_string(made.join("a")).unwrap(), "whole");
        assert!(!made.join("stale").exists());
    }

    #[test]
    fn damage_and_another_fingerprint_are_noticed() {
        let (_dir, cache) = cache();
        let make = |fingerprint: &str| {
            let mut made = false;
            let fill = |dir: &Path, _: &Lock| {
                made = true;
                put(dir, "a", fingerprint)
            };
            let dir = cache.install("x", fingerprint, fill).unwrap();
            (dir, made)
        };
        let (dir, made) = make("one");
        assert!(made && !make("one").1 && !is_damaged(&dir));
        put(&dir, "a", "cut").unwrap();
        assert!(!is_damaged(&dir), "as long as before: only lengths are compared");
        put(&dir, "a", "").unwrap();
        assert!(is_damaged(&dir) && make("one").1);
        fs::remove_file(dir.join("a")).unwrap();
        assert!(is_damaged(&dir) && make("one").1);
        assert!(make("two").1);
        assert_eq!(fs::read_to_string(dir.join("a")).unwrap(), "two");
    }

    #[test]
    fn eight_at_once_make_it_once() {
        let (_dir, cache) = cache();
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let fill = |dir: &Path, _: &Lock| {
                        made.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        put(dir, "a", "text")
                    };
                    let dir = cache.install("x", "f", fill).unwrap();
                    assert_eq!(fs::read_to_string(dir.join("a")).unwrap(), "text");
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }
}
