//! From paths as written to files, in a fixed order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::{Format, ReadError};

/// What the paths stand for.
#[derive(Default)]
pub(super) struct Found {
    /// Files to read, in order.
    pub(super) files: Vec<PathBuf>,
    /// Files of another or no known format, left out.
    pub(super) other_files: Vec<PathBuf>,
    /// Shards of a split other than `train`, left out.
    pub(super) other_splits: Vec<PathBuf>,
}

/// The lower-case extension of `path`, `.gz` or `.zst` aside; empty if there is none.
pub(super) fn extension(path: &Path) -> String {
    let lower = |path: &Path| path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match lower(path).as_str() {
        "gz" | "zst" => path.file_stem().map(Path::new).map(lower).unwrap_or_default(),
        other => other.to_owned(),
    }
}

/// The files that `paths` stand for.
pub(super) fn discover(paths: &[String], format: Option<Format>) -> Result<Found, ReadError> {
    if paths.is_empty() {
        return Err(ReadError::NoPaths);
    }
    let mut found = Found::default();
    for written in paths {
        let path = Path::new(written);
        // A name that exists is taken literally, brackets and all.
        if path.is_dir() {
            take_folder(written, path, format, &mut found)?;
        } else if path.exists() {
            if format.is_none() && Format::of(path).is_none() {
                return Err(ReadError::UnknownExtension { path: written.clone() });
            }
            found.files.push(path.to_owned());
        } else if written.contains(['*', '?', '[']) {
            take_glob(written, format, &mut found)?;
        } else {
            return Err(ReadError::NotFound { path: written.clone() });
        }
    }
    Ok(found)
}

fn take_folder(
    written: &str,
    path: &Path,
    format: Option<Format>,
    found: &mut Found,
) -> Result<(), ReadError> {
    let files = walk(path)?;
    let (wanted, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| match (format, Format::of(file)) {
            (None, told) => told.is_some(),
            (Some(Format::Text | Format::Paragraphs), told) => told == Some(Format::Text),
            (wanted, told) => wanted == told,
        });
    keep(written, wanted, others, found)
}

fn take_glob(pattern: &str, format: Option<Format>, found: &mut Found) -> Result<(), ReadError> {
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let matches = glob::glob_with(pattern, options).map_err(|error| ReadError::BadPattern {
        pattern: pattern.to_owned(),
        reason: error.msg.to_owned(),
    })?;
    let mut files = Vec::new();
    for entry in matches {
        let path = entry.map_err(|error| ReadError::Io {
            path: error.path().to_string_lossy().into_owned(),
            source: error.into(),
        })?;
        if path.is_dir() {
            files.extend(walk(&path)?);
        } else {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(ReadError::NoMatch { pattern: pattern.to_owned() });
    }
    files.sort();
    files.dedup();
    if format.is_some() {
        found.files.append(&mut files);
        return Ok(());
    }
    let (wanted, others) = files.into_iter().partition(|file| Format::of(file).is_some());
    keep(pattern, wanted, others, found)
}

/// Adds the files wanted, of several splits only `train`, and remembers the rest.
fn keep(
    written: &str,
    wanted: Vec<PathBuf>,
    mut others: Vec<PathBuf>,
    found: &mut Found,
) -> Result<(), ReadError> {
    if wanted.is_empty() {
        let extensions: BTreeSet<String> = others
            .iter()
            .map(|file| match extension(file) {
                none if none.is_empty() => "files without an extension".to_owned(),
                some => format!(".{some}"),
            })
            .collect();
        let seen = match extensions.len() {
            0 => "nothing".to_owned(),
            _ => extensions.into_iter().collect::<Vec<_>>().join(", "),
        };
        return Err(ReadError::NoFiles { path: written.to_owned(), found: seen });
    }
    // A glob such as data/test-* names its split itself; only a mix with `train` is narrowed down.
    let mut trained: BTreeMap<&Path, bool> = BTreeMap::new();
    for file in &wanted {
        let has = trained.entry(file.parent().unwrap_or(file)).or_default();
        *has |= split_of(file) == Some("train");
    }
    let keep_it = |file: &Path| {
        let has_train = trained.get(file.parent().unwrap_or(file)).copied().unwrap_or(false);
        !has_train || matches!(split_of(file), None | Some("train"))
    };
    let kept: Vec<bool> = wanted.iter().map(|file| keep_it(file)).collect();
    for (file, kept) in wanted.into_iter().zip(kept) {
        if kept { found.files.push(file) } else { found.other_splits.push(file) }
    }
    found.other_files.append(&mut others);
    Ok(())
}

/// `train` of `train-00000-of-00002.parquet`, the way Hugging Face names shards.
fn split_of(file: &Path) -> Option<&str> {
    let stem = file.file_name()?.to_str()?.split('.').next()?;
    let (head, count) = stem.rsplit_once("-of-")?;
    let (split, shard) = head.rsplit_once('-')?;
    let digits = |s: &str| s.len() >= 5 && s.bytes().all(|b| b.is_ascii_digit());
    (digits(shard) && digits(count) && !split.is_empty()).then_some(split)
}

/// All files below `folder`, links followed, hidden ones left alone, by name within each folder.
fn walk(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let hidden = |entry: &DirEntry| {
        entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
    };
    let mut files = Vec::new();
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name();
    for entry in entries.into_iter().filter_entry(|entry| !hidden(entry)) {
        let entry = entry.map_err(|error| ReadError::Io {
            path: error.path().unwrap_or(folder).to_string_lossy().into_owned(),
            source: error.into(),
        })?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}
