//! Writes files and folders that appear whole or not at all. They are written beside their place, synced, and then
//! renamed. A process that is interrupted removes what it has not renamed yet ([`crate::leftovers`]).

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::leftovers::{Kind, Leftover};

/// Numbers the temporary files of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Writes `bytes` to `path` through a temporary file beside it.
///
/// # Errors
/// Any I/O error. An existing file is then unchanged, and the temporary file is removed.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Like [`write()`], but `fill` writes the contents.
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
            // The first error is reported. The temporary file is removed if that is possible.
            let _ = std::fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// Creates the folder `path`, which must not exist. `fill` writes into a temporary folder beside it, which is then
/// renamed. Missing parent folders are created.
///
/// # Errors
/// Any I/O error, or the error that `fill` returns. Then neither the folder nor the temporary folder exists.
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
    // A path may end in a slash.
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
        // A rename would replace an existing empty folder.
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
            // As for a file, the first error is reported.
            let _ = std::fs::remove_dir_all(&temporary);
            Err(error)
        }
    }
}

/// Syncs a folder and everything in it.
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

/// Syncs the parent folder of `path`, so that a rename in it survives a power cut.
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

/// A temporary name beside `path` that no other process or thread uses.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{number}.tmp", std::process::id()));
    path.with_file_name(name)
}
