//! Checks of `--out`: a path that would overwrite an input, or that is not a file, is refused before anything is
//! read.

use std::path::{Path, PathBuf};

use anyhow::Result;
use sst_data::read::{Source, require_file};

use crate::exit::Usage;

/// Refuses an `--out` that is not a regular file, that is one of the inputs (`source` and `others`), or that lies
/// where `source` would read it the next time.
///
/// # Errors
/// [`Usage`], or the error of listing the files of `source`.
pub fn check(out: &Path, source: &Source, others: &[PathBuf]) -> Result<()> {
    require_replaceable("--out", out)?;
    let place = canonical(out);
    let is_out = |input: &PathBuf| input.canonicalize().is_ok_and(|input| input == place);
    if source.files()?.iter().chain(others).any(is_out) {
        let message = format!("--out {} is also an input: name another file", out.display());
        return Err(Usage(message).into());
    }
    if let Some(folder) = source.folder_of(&place) {
        let message = format!(
            "--out {} lies in the input folder {folder} and would be read as input the next time: name a file in \
             another folder",
            out.display()
        );
        return Err(Usage(message).into());
    }
    Ok(())
}

/// Refuses an `option` that is not a regular file, that is one of `paths`, or that lies in a folder among them, where it
/// would be read the next time.
///
/// # Errors
/// [`Usage`].
pub fn check_paths(option: &str, out: &Path, paths: &[String]) -> Result<()> {
    require_replaceable(option, out)?;
    let place = canonical(out);
    for path in paths {
        let Ok(input) = Path::new(path).canonicalize() else { continue };
        if place.starts_with(&input) {
            let message = format!(
                "{option} {} is the input {path}, or lies in it and would be read as input the next time: name a file in \
                 another folder",
                out.display()
            );
            return Err(Usage(message).into());
        }
    }
    Ok(())
}

/// Refuses an `--out` that exists and lies in `folder`, whose files are inputs.
///
/// # Errors
/// [`Usage`].
pub fn check_folder(out: &Path, folder: &Path) -> Result<()> {
    let is_in = || folder.canonicalize().is_ok_and(|folder| canonical(out).starts_with(folder));
    if out.exists() && is_in() {
        let message = format!(
            "--out {} is a file of {}, which is an input: name another file",
            out.display(),
            folder.display()
        );
        return Err(Usage(message).into());
    }
    Ok(())
}

/// Refuses an `option` that is a folder, a pipe or a device, because the file would replace it, and one in a folder
/// that does not exist.
///
/// # Errors
/// [`Usage`].
pub fn require_replaceable(option: &str, out: &Path) -> Result<()> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.exists()) {
        let message = format!(
            "cannot write {option} {}: the folder {} does not exist: create it first",
            out.display(),
            folder.display()
        );
        return Err(Usage(message).into());
    }
    match require_file(out) {
        Err(error) if out.exists() => {
            Err(Usage(format!("cannot write {option} {}: {error}", out.display())).into())
        }
        // A file that does not exist yet is created later; an error of that is reported then.
        _ => Ok(()),
    }
}

/// The path of the file with symbolic links resolved; the file need not exist.
fn canonical(out: &Path) -> PathBuf {
    let made = || {
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
        Some(folder.join(out.file_name()?))
    };
    out.canonicalize().ok().or_else(made).unwrap_or_else(|| out.to_owned())
}
