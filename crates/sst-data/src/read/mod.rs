//! Readers: files on disk to [`Example`]s, one at a time, in constant memory.
//!
//! A [`Source`] names files, folders and globs. Every document comes out with its text under the
//! field `text`, whatever it was called in the file, its other scalar fields, and a [`Key`] that
//! names file and line. Text formats may be compressed with gzip (several members too) or zstd, a
//! byte order mark is dropped, and lines may end in LF or CRLF.

mod compress;
mod csv;
mod discover;
mod error;
mod jsonl;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod score;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::example::{Example, Field, Key};
use crate::ledger::Ledger;

pub use error::ReadError;
pub use lines::MAX_RECORD_BYTES;
pub(crate) use score::SCORE;

/// How documents lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One document a line; blank lines are none, and counted in the ledger as `read.blank_lines`. Extensions
    /// `.txt`, `.text`.
    Text,
    /// Documents separated by blank lines; the lines of one are joined by `\n`. Never by extension.
    Paragraphs,
    /// One JSON object a line. Extensions `.jsonl`, `.ndjson`.
    Jsonl,
    /// Comma-separated values, quoted as in RFC 4180, the first line a header. Extension `.csv`.
    Csv,
    /// Tab-separated values, never quoted (the IANA media type, and GLUE), the first line a header.
    /// Extension `.tsv`.
    Tsv,
    /// Apache Parquet. Extension `.parquet`.
    Parquet,
}

impl Format {
    /// The format that the extension of `path` tells, `.gz` or `.zst` aside.
    pub fn of(path: &Path) -> Option<Self> {
        match discover::extension(path).as_str() {
            "txt" | "text" => Some(Self::Text),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// What to do with a record or file that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Stop with the error.
    #[default]
    Fail,
    /// Leave it out, and count it in the ledger as `read.invalid_utf8`, `read.missing_field`,
    /// `read.not_text`, `read.malformed`, `read.bad_score` (records), `read.empty_file` or
    /// `read.damaged_file` (a file, or what is left of it). A file that is not there or may not be read is still an
    /// error.
    Skip,
}

/// Where documents come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Files, folders (read recursively, in the order of their names) and globs. A file named
    /// twice is read twice.
    pub paths: Vec<String>,
    /// The format; `None` takes each file's from its extension.
    pub format: Option<Format>,
    /// The field that holds the text, in formats that have fields. A record that also has another
    /// field called `text` loses that one.
    pub text_field: String,
    /// The field that holds a score, such as a difficulty: a finite number, or text that reads as
    /// one. `None` reads no scores. A record that has another field called `score` loses that one.
    pub score_field: Option<String>,
    /// Fields with further texts of a record, that belong to the one in `text_field`: what it is a pair, a triplet or
    /// more with. Each must be there, and text.
    pub pair_fields: Vec<String>,
    /// What to do with a record or file that cannot be read.
    pub on_error: OnError,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            format: None,
            text_field: "text".into(),
            score_field: None,
            pair_fields: Vec::new(),
            on_error: OnError::Fail,
        }
    }
}

impl Source {
    /// A source of these paths, with everything else at its default.
    pub fn new(paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { paths: paths.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The files, in the order they are read.
    ///
    /// In a folder, and in a glob without a `format`, only files of a known format count; of Hugging
    /// Face shards (`train-00000-of-00002.parquet`) in one folder only the split `train` is taken
    /// where there is one, so that test data is never trained on by accident. Hidden files are left
    /// alone. A file that is named itself is always taken.
    ///
    /// # Errors
    /// If a path does not exist, a pattern matches nothing, or a format cannot be told.
    pub fn files(&self) -> Result<Vec<PathBuf>, ReadError> {
        Ok(discover::discover(&self.paths, self.format)?.files)
    }

    /// Reads all documents, in file order, the index counting from 0 over all files.
    ///
    /// Files that [`Source::files`] leaves out are counted in the ledger as `read.other_files` and
    /// `read.other_splits`. With [`OnError::Fail`] the first error ends the iteration.
    ///
    /// # Errors
    /// Those of [`Source::files`] at once; those of single files and records from the iterator.
    pub fn read(&self, ledger: &Ledger) -> Result<Documents, ReadError> {
        let found = discover::discover(&self.paths, self.format)?;
        for (name, paths) in
            [("read.other_files", &found.other_files), ("read.other_splits", &found.other_splits)]
        {
            let first = paths.first().map(|path| Key::new(path.to_string_lossy(), 1));
            ledger.add(name, paths.len() as u64, first.as_ref());
        }
        if let Some(split) = found.other_splits.first() {
            tracing::warn!("only the split `train` is read, not {} and the like", split.display());
        }
        Ok(Box::new(Reading {
            source: self.clone(),
            ledger: ledger.clone(),
            files: found.files.into_iter(),
            current: None,
            index: 0,
            failed: false,
        }))
    }
}

/// The documents of a source.
pub type Documents = Box<dyn Iterator<Item = Result<Example, ReadError>> + Send>;

/// One record of a file: its line or row and its fields, the text among them as `text`.
type Record = (u64, BTreeMap<Arc<str>, Field>);

/// The records of one file. After an error that is not of one record, nothing more is asked.
type Records = Box<dyn Iterator<Item = Result<Record, ReadError>> + Send>;

/// The field every example has.
const TEXT: &str = "text";

struct OpenFile {
    path: Arc<str>,
    records: Records,
    /// Whether anything, good or skipped, has come out of it.
    touched: bool,
}

struct Reading {
    source: Source,
    ledger: Ledger,
    files: std::vec::IntoIter<PathBuf>,
    current: Option<OpenFile>,
    index: u64,
    failed: bool,
}

impl Reading {
    fn open(&self, path: &Path) -> Result<Records, ReadError> {
        let name: Arc<str> = path.to_string_lossy().into();
        let field = &self.source.text_field;
        let format = self.source.format.or_else(|| Format::of(path));
        match format.ok_or_else(|| ReadError::UnknownExtension { path: name.to_string() })? {
            Format::Text => Ok(Box::new(text::Lines::open(path, name, self.ledger.clone())?)),
            Format::Paragraphs => Ok(Box::new(text::Paragraphs::open(path, name)?)),
            Format::Jsonl => Ok(Box::new(jsonl::Jsonl::open(path, name, field)?)),
            Format::Csv => Ok(Box::new(csv::Csv::open(path, name, field, csv::Dialect::Csv)?)),
            Format::Tsv => Ok(Box::new(csv::Csv::open(path, name, field, csv::Dialect::Tsv)?)),
            Format::Parquet => open_parquet(path, name, field),
        }
    }

    /// Counts a skip, or gives the error back if it is not to be skipped.
    fn count_or_fail(&self, error: ReadError, path: &Arc<str>) -> Result<(), ReadError> {
        match error.ledger_name() {
            Some(name) if self.source.on_error == OnError::Skip => {
                // Once a kind: a bad file may have millions, and the ledger counts them all.
                if self.ledger.count(name) == 0 {
                    tracing::warn!("skipped, as will be others like it: {error}");
                }
                let file = Key::new(path.clone(), 1);
                self.ledger.add(name, 1, Some(error.key().unwrap_or(&file)));
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// The next document, `None` at the end of the last file.
    fn advance(&mut self) -> Result<Option<Example>, ReadError> {
        loop {
            let Some(mut file) = self.current.take() else {
                let Some(path) = self.files.next() else { return Ok(None) };
                let name: Arc<str> = path.to_string_lossy().into();
                match self.open(&path) {
                    Ok(records) => {
                        self.current = Some(OpenFile { path: name, records, touched: false });
                    }
                    Err(error) => self.count_or_fail(error, &name)?,
                }
                continue;
            };
            let record = file.records.next().map(|record| -> Result<_, ReadError> {
                let (record, mut fields) = record?;
                let key = Key::new(file.path.clone(), record);
                if let Some(field) = &self.source.score_field {
                    score::add(&key, &mut fields, field)?;
                }
                for field in &self.source.pair_fields {
                    error::check_text(&key, &fields, field)?;
                }
                Ok((key, fields))
            });
            match record {
                Some(Ok((key, fields))) => {
                    let example = Example { key, index: self.index, epoch: 0, fields };
                    self.index += 1;
                    self.current = Some(OpenFile { touched: true, ..file });
                    return Ok(Some(example));
                }
                Some(Err(error)) => {
                    let go_on = error.is_one_record();
                    self.count_or_fail(error, &file.path)?;
                    if go_on {
                        file.touched = true;
                        self.current = Some(file);
                    }
                }
                None if file.touched => {}
                None => self
                    .count_or_fail(ReadError::Empty { path: file.path.to_string() }, &file.path)?,
            }
        }
    }
}

impl Iterator for Reading {
    type Item = Result<Example, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance();
        self.failed = next.is_err();
        next.transpose()
    }
}

#[cfg(feature = "parquet")]
fn open_parquet(path: &Path, name: Arc<str>, field: &str) -> Result<Records, ReadError> {
    Ok(Box::new(parquet::Parquet::open(path, name, field)?))
}

#[cfg(not(feature = "parquet"))]
fn open_parquet(_path: &Path, name: Arc<str>, _field: &str) -> Result<Records, ReadError> {
    Err(ReadError::NoParquet { path: name.to_string() })
}
