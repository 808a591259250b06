//! Files and folders appear whole or not at all: written beside their place, synced, then renamed. A process that is
//! interrupted removes what it has not renamed yet ([`crate::leftovers`]).

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::leftovers::{Kind, Leftover};

/// Tells the temporary files of one process apart.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Writes `bytes` to `path` through a temporary file beside it.
///
/// # Errors
/// Any I/O error; the old file, if there was one, is untouched and the temporary one removed.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Like [`write()`], for a writer that streams.
///
/// # Errors
/// Any I/O error, or the one `fill` returns.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let temporary = beside(path);
    let _leftover = Leftover::new(&temporary, Kind::File);
    let result = File::create(&temporary).and_then(|mut file| {
        fill(&mut file)?;
        file.sync_all()
    });
    match result.and_then(|()| std::fs::rename(&temporary, path)) {
        Ok(()) => sync_parent(path),
        Err(error) => {
            // The first error is the one worth reporting; the leftover is removed if it can be.
            let _ = std::fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// Makes the folder `path`, which must not exist: `fill` writes into a folder beside it, which is then renamed. The
/// folders above it are made if they are missing.
///
/// # Errors
/// Any I/O error, or the one `fill` returns; then there is no folder, and nothing beside it.
pub fn folder<T, E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let refuse_existing = || match path.symlink_metadata() {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} exists: name a folder that does not", path.display()),
        )),
        Err(_) => Ok(()),
    };
    // A path that ends in a slash names the folder as well.
    let path = &path.components().collect::<PathBuf>();
    refuse_existing()?;
    let unmade = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot make {}: {error}", path.display()))
    };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(unmade)?;
    }
    let temporary = beside(path);
    let _leftover = Leftover::new(&temporary, Kind::Folder);
    let made = std::fs::create_dir(&temporary).map_err(unmade);
    let filled = made.map_err(E::from).and_then(|()| {
        let value = fill(&temporary)?;
        sync_files(&temporary)?;
        // A folder that is empty would be replaced by a rename.
        refuse_existing()?;
        std::fs::rename(&temporary, path)?;
        Ok(value)
    });
    match filled {
        Ok(value) => {
            sync_parent(path)?;
            Ok(value)
        }
        Err(error) => {
            // As for a file: the first error is the one worth reporting.
            let _ = std::fs::remove_dir_all(&temporary);
            Err(error)
        }
    }
}

/// Syncs a folder and all that is in it.
fn sync_files(folder: &Path) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => sync_files(&entry.path())?,
            false => File::open(entry.path())?.sync_all()?,
        }
    }
    File::open(folder)?.sync_all()
}

/// Syncs the folder that holds `path`, so that a rename in it survives a power cut.
///
/// # Errors
/// Any I/O error.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// A name beside `path` that no other process or thread writes to.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{number}.tmp", std::process::id()));
    path.with_file_name(name)
}
