//! From paths as written to the files that hold pictures or name them, in a fixed order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::super::PictureError;
use super::super::decode::PictureFormat;
use super::braces;
use crate::example::Key;
use crate::ledger::Ledger;
use crate::read::{Format, ReadError, choose_split, names_a_split};

/// A file that holds pictures or names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// A picture, with the name of its folder as its class.
    Picture { path: PathBuf, class: Option<String> },
    /// JSON lines, CSV, TSV or Parquet.
    Table(PathBuf),
    /// A tar file, compressed or not.
    Tar(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Table,
    Tar,
    Picture,
    Other,
}

impl Kind {
    fn of(path: &Path) -> Self {
        if PictureFormat::of_name(path).is_some() {
            return Self::Picture;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if [".tar", ".tar.gz", ".tgz", ".tar.zst"].iter().any(|end| name.ends_with(end)) {
            return Self::Tar;
        }
        match Format::of(path) {
            Some(Format::Jsonl | Format::Csv | Format::Tsv | Format::Parquet) => Self::Table,
            _ => Self::Other,
        }
    }
}

/// The files that `paths` stand for. Those that are left out are counted in `ledger`.
///
/// Of a folder, the tables are read if there are any, else the tar files if there are any, else the pictures. Hidden
/// files are skipped. Files of validation and test splits are left out beside those for training; for pictures the name
/// of the first folder counts, and for other files every part of the name.
pub(super) fn discover(paths: &[String], ledger: &Ledger) -> Result<Vec<Input>, PictureError> {
    if paths.is_empty() {
        return Err(ReadError::NoPaths.into());
    }
    let mut inputs = Vec::new();
    for written in paths {
        if Path::new(written).exists() {
            one(written, ledger, &mut inputs)?;
            continue;
        }
        for path in braces::expand(written)? {
            one(&path, ledger, &mut inputs)?;
        }
    }
    Ok(inputs)
}

fn one(written: &str, ledger: &Ledger, inputs: &mut Vec<Input>) -> Result<(), PictureError> {
    let path = Path::new(written);
    if path.is_dir() {
        return choose(written, path, walk(path)?, ledger, inputs);
    }
    if path.exists() {
        inputs.push(match Kind::of(path) {
            Kind::Table => Input::Table(path.to_owned()),
            Kind::Tar => Input::Tar(path.to_owned()),
            // The contents of a file that is named itself decide.
            Kind::Picture | Kind::Other => Input::Picture { path: path.to_owned(), class: None },
        });
        return Ok(());
    }
    if !written.contains(['*', '?', '[']) {
        return Err(ReadError::NotFound { path: written.to_owned() }.into());
    }
    let bad = |error: glob::PatternError| {
        let (pattern, reason) = (written.to_owned(), error.to_string());
        ReadError::BadPattern { pattern, reason }
    };
    let mut files = Vec::new();
    for entry in glob::glob(written).map_err(bad)? {
        let entry = entry.map_err(|error| ReadError::Io {
            path: error.path().to_string_lossy().into_owned(),
            source: error.into(),
        })?;
        match entry.is_dir() {
            true => files.extend(walk(&entry)?),
            false => files.push(entry),
        }
    }
    if files.is_empty() {
        return Err(ReadError::NoMatch { pattern: written.to_owned() }.into());
    }
    let wild = written.find(['*', '?', '[']).unwrap_or(written.len());
    let base = written[..wild].rfind('/').map_or("", |slash| &written[..=slash]);
    choose(written, Path::new(base), files, ledger, inputs)
}

/// Chooses among the files below `base`.
fn choose(
    written: &str,
    base: &Path,
    files: Vec<PathBuf>,
    ledger: &Ledger,
    inputs: &mut Vec<Input>,
) -> Result<(), PictureError> {
    let least = files.iter().map(|file| Kind::of(file)).min().unwrap_or(Kind::Other);
    let (wanted, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| Kind::of(file) == least);
    if least == Kind::Other {
        return Err(PictureError::NoPictures { path: written.to_owned() });
    }
    // Beside tables lie the pictures that they name.
    let count = |name: &str, files: &[PathBuf]| {
        let first = files.first().map(|file| Key::new(file.to_string_lossy(), 0));
        ledger.add(name, files.len() as u64, first.as_ref());
    };
    let is_named = |file: &PathBuf| least == Kind::Table && Kind::of(file) == Kind::Picture;
    let others: Vec<PathBuf> = others.into_iter().filter(|file| !is_named(file)).collect();
    count("read.other_files", &others);
    let (taken, apart) = match least {
        Kind::Picture => choose_folders(written, base, wanted)?,
        _ => choose_split(written, base, wanted)?,
    };
    count("read.other_splits", &apart);
    inputs.extend(taken.into_iter().map(|path| match least {
        Kind::Table => Input::Table(path),
        Kind::Tar => Input::Tar(path),
        Kind::Picture | Kind::Other => {
            let class = class_of(base, &path);
            Input::Picture { path, class }
        }
    }));
    Ok(())
}

/// The first folder below `base` on the way to `file`, if its whole name is that of a split.
fn split_folder(base: &Path, file: &Path) -> Option<PathBuf> {
    let inner = file.strip_prefix(base).ok()?;
    let first = inner.parent()?.iter().next()?;
    names_a_split(&first.to_string_lossy()).then(|| base.join(first))
}

/// Chooses the pictures for training by the names of their folders.
fn choose_folders(
    written: &str,
    base: &Path,
    files: Vec<PathBuf>,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>), ReadError> {
    // Pictures outside of such folders count like a file that names no split.
    let place = |file: &PathBuf| split_folder(base, file).unwrap_or_else(|| base.join("pictures"));
    let folders: BTreeSet<PathBuf> = files.iter().map(place).collect();
    let (taken, _) = choose_split(written, base, folders.into_iter().collect())?;
    Ok(files.into_iter().partition(|file| taken.contains(&place(file))))
}

/// The class of a picture: the name of the folder that it lies in, unless that is `base` or the folder of a split.
fn class_of(base: &Path, file: &Path) -> Option<String> {
    let folder = file.parent()?;
    if folder == base || Some(folder) == split_folder(base, file).as_deref() {
        return None;
    }
    file.strip_prefix(base)
        .ok()?
        .parent()?
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
}

/// All files below `folder`, sorted by name within each folder. Links are followed and hidden files are skipped.
fn walk(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let is_hidden = |entry: &DirEntry| {
        entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
    };
    let mut files = Vec::new();
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name();
    for entry in entries.into_iter().filter_entry(|entry| !is_hidden(entry)) {
        let entry = entry.map_err(|error| ReadError::Io {
            path: error.path().unwrap_or(folder).to_string_lossy().into_owned(),
            source: error.into(),
        })?;
        if !entry.file_type().is_dir() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}
