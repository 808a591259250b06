//! From paths as written to files, in a fixed order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::format::extension;
use super::splits::{self, Split};
use super::{Format, ReadError, Source, file, warn_once};
use crate::setting;

/// The files that the paths name, and those that are left out.
#[derive(Default)]
pub(super) struct DiscoveredFiles {
    /// Files to read, in order.
    pub(super) files: Vec<PathBuf>,
    /// Files of another or no known format, left out.
    pub(super) other_files: Vec<PathBuf>,
    /// Files of a split other than `train`, kept apart.
    pub(super) other_splits: Vec<(PathBuf, Split)>,
    /// Files among those to read that name no split, beside others that are named for training.
    pub(super) unnamed: Vec<PathBuf>,
}

/// The advice for a file whose extension does not name a format.
const UNKNOWN: &str = "the extension does not name the format: set `format` to text, paragraphs, jsonl, csv, tsv, \
                       parquet, conll, conllu or squad";
/// The advice for a JSON file.
const JSON: &str = "a .json file is read where it holds JSON lines, or questions as in SQuAD: set `format` to jsonl or \
                    squad; a list of objects becomes such with `jq -c '.[]' FILE > FILE.jsonl`, objects over several \
                    lines with `jq -c . FILE > FILE.jsonl`";

/// Whether the extension is that of a data format, readable or not.
fn is_data(path: &Path) -> bool {
    let is_unread = |error: ReadError| match error {
        ReadError::UnknownExtension { advice, .. } => advice != UNKNOWN,
        _ => false,
    };
    Format::of(path).is_some() || is_unread(unknown_extension(path))
}

/// Warns about files that the user may expect to be read. This happens when files are listed and not when they are
/// read, because data that was prepared before is not read again.
fn warn_about(found: &DiscoveredFiles, format: Option<Format>) {
    if let Some((first, _)) = found.other_splits.first() {
        let mut splits: Vec<&str> =
            found.other_splits.iter().map(|(_, split)| split.name()).collect();
        splits.sort_unstable();
        splits.dedup();
        let message = format!(
            "files of the splits {} are kept apart and not read ({} of them, the first is {}): name a file to read it, \
             or to measure on it (`fraction` holds out a share of the files that are read)",
            splits.join(", "),
            found.other_splits.len(),
            first.display()
        );
        warn_once::warn_once(Some(setting::FRACTION), message);
    }
    if let Some(message) = other_data(&found.other_files, format) {
        warn_once::warn_once(None, message);
    }
}

/// The warning about data files that are left out beside those that are read; `None` if there are none. Other files,
/// such as a README, need no warning.
fn other_data(others: &[PathBuf], format: Option<Format>) -> Option<String> {
    let data: Vec<&PathBuf> = others.iter().filter(|file| is_data(file)).collect();
    let first = data.first()?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for file in &data {
        *counts.entry(extension(file)).or_default() += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|(extension, count)| format!(".{extension}: {count}")).collect();
    let why = match format {
        Some(format) => format!("the format is set to {}, which takes none of them", format.name()),
        None => "their formats are not read in a folder".to_owned(),
    };
    Some(format!(
        "files are left out beside those that are read ({}; the first is {}): {why}; name a file to read it, or move \
         away what is not meant",
        counts.join(", "),
        first.display()
    ))
}

/// The error for a file whose extension names no readable format.
pub(super) fn unknown_extension(path: &Path) -> ReadError {
    let last = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let advice = match (last.as_str(), extension(path).as_str()) {
        ("bz2", _) => {
            "bzip2 is not read: unpack it with `bunzip2` (.gz and .zst are read as they are)"
        }
        ("xz" | "lzma", _) => {
            "xz is not read: unpack it with `unxz` (.gz and .zst are read as they are)"
        }
        ("lz4", _) => "lz4 is not read: unpack it with `unlz4` (.gz and .zst are read as they are)",
        ("zip", _) => "zip archives are not read: unpack it with `unzip` and name the files in it",
        ("7z" | "rar", _) => "archives are not read: unpack it and name the files in it",
        ("tgz", _) | (_, "tar") => {
            "tar archives are not read: unpack it with `tar -xf` and name the files in it"
        }
        (_, "json") => JSON,
        (_, "arrow" | "feather") => {
            "Arrow files are not read: write it as Parquet (`datasets`: `to_parquet`)"
        }
        _ => UNKNOWN,
    };
    let setting = [UNKNOWN, JSON].contains(&advice).then_some(setting::FORMAT);
    ReadError::UnknownExtension { path: path.to_string_lossy().into_owned(), advice, setting }
}

/// Checks a configured format against the extension. A `.txt` file may hold any text format, and a table may have
/// another separator than its extension says.
fn check_format(path: &Path, written: &str, format: Option<Format>) -> Result<(), ReadError> {
    use Format as F;
    match (format, Format::of(path)) {
        (None, None) => Err(unknown_extension(path)),
        (None, Some(_)) | (Some(_), None) => Ok(()),
        (Some(set), Some(format)) if set == format => Ok(()),
        (Some(F::Csv | F::Tsv), Some(F::Csv | F::Tsv)) => Ok(()),
        // Words and tags separated by tabs are often in files that are called tables.
        (Some(F::Conll), Some(F::Tsv)) => Ok(()),
        (Some(set), Some(F::Text)) if set != F::Parquet => Ok(()),
        (Some(set), Some(from_extension)) => Err(ReadError::AgainstExtension {
            path: written.to_owned(),
            format: set.name(),
            extension: from_extension.name(),
        }),
    }
}

impl Source {
    /// The folder among the paths that would read the canonical path `path` as one of its files.
    pub fn folder_of(&self, path: &Path) -> Option<&str> {
        let holds = |folder: &&String| {
            Path::new(folder).canonicalize().is_ok_and(|folder| path.starts_with(folder))
        };
        let would_be_read = is_of(path, self.format);
        self.paths.iter().find(holds).filter(|_| would_be_read).map(String::as_str)
    }
}

/// Finds the files that `paths` name.
pub(super) fn discover(
    paths: &[String],
    format: Option<Format>,
) -> Result<DiscoveredFiles, ReadError> {
    if paths.is_empty() {
        return Err(ReadError::NoPaths);
    }
    let mut found = DiscoveredFiles::default();
    for written in paths {
        let path = Path::new(written);
        // An existing path is used literally, also if it contains brackets.
        if path.is_dir() {
            take_folder(written, path, format, &mut found)?;
        } else if path.exists() {
            check_format(path, written, format)?;
            found.files.push(path.to_owned());
        } else if written.contains(['*', '?', '[']) {
            take_glob(written, format, &mut found)?;
        } else {
            let absent = || ReadError::NotFound { path: written.clone() };
            return Err(file::dangling(path).unwrap_or_else(absent));
        }
    }
    warn_about(&found, format);
    Ok(found)
}

fn take_folder(
    written: &str,
    path: &Path,
    format: Option<Format>,
    found: &mut DiscoveredFiles,
) -> Result<(), ReadError> {
    let files = walk(path)?;
    let (wanted, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| is_of(file, format));
    keep(written, path, wanted, others, found)
}

/// Whether a file in a folder is read, given the configured `format`.
pub(super) fn is_of(file: &Path, format: Option<Format>) -> bool {
    match (format, Format::of(file)) {
        (None, from_extension) => from_extension.is_some(),
        (Some(Format::Text | Format::Paragraphs), from_extension) => {
            from_extension == Some(Format::Text)
        }
        // Many sets of CoNLL have names such as `train.txt`.
        (Some(Format::Conll), from_extension) => {
            matches!(from_extension, Some(Format::Conll | Format::Text))
        }
        (Some(Format::Squad), _) => extension(file) == "json",
        (configured, from_extension) => configured == from_extension,
    }
}

fn take_glob(
    pattern: &str,
    format: Option<Format>,
    found: &mut DiscoveredFiles,
) -> Result<(), ReadError> {
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
    let (wanted, others) = match format {
        Some(_) => (files, Vec::new()),
        None => files.into_iter().partition(|file| Format::of(file).is_some()),
    };
    for file in &wanted {
        check_format(file, &file.to_string_lossy(), format)?;
    }
    keep(pattern, fixed_part(pattern), wanted, others, found)
}

/// The folder in front of the first wildcard of a pattern.
fn fixed_part(pattern: &str) -> &Path {
    let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let slash = pattern[..wild].rfind('/').map_or(0, |slash| slash + 1);
    Path::new(&pattern[..slash])
}

/// Adds the files to read, keeps files of other splits apart, and remembers the rest.
fn keep(
    written: &str,
    base: &Path,
    wanted: Vec<PathBuf>,
    mut others: Vec<PathBuf>,
    found: &mut DiscoveredFiles,
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
    let example = wanted[0].to_string_lossy().into_owned();
    let mut sorted = splits::sort(base, wanted).map_err(|splits| {
        let names: Vec<&str> = splits.iter().map(Split::name).collect();
        let splits = names.join(" and ");
        ReadError::NoTrainingSplit { path: written.to_owned(), splits, example }
    })?;
    found.files.append(&mut sorted.taken);
    found.other_splits.append(&mut sorted.apart);
    found.unnamed.append(&mut sorted.unnamed);
    found.other_files.append(&mut others);
    Ok(())
}

/// All files below `folder`, sorted by name within each folder. Links are followed and hidden files are skipped.
fn walk(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let hidden = |entry: &DirEntry| {
        entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
    };
    let mut files = Vec::new();
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name();
    for entry in entries.into_iter().filter_entry(|entry| !hidden(entry)) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).to_owned();
            file::dangling(&path).unwrap_or_else(|| ReadError::Io {
                path: path.to_string_lossy().into_owned(),
                source: error.into(),
            })
        })?;
        // A pipe or a device is listed too, so that it is counted or refused and not skipped silently.
        if !entry.file_type().is_dir() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}
