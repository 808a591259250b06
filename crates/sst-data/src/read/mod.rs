//! Readers turn files on disk into [`Example`]s, one at a time and in constant memory.
//!
//! A [`Source`] names files, folders and globs. Each document has its text in the field `text`, whatever the field was
//! called in the file, the other fields that the source names, and a [`Key`] that names file and line. Unused fields
//! are not decoded; the ledger lists their names as `unused.columns`. [`Source::read_all_fields`] keeps all fields as they
//! are. Sentences with tags (CoNLL) and questions with answers (SQuAD) become records with fields, too. Text formats may
//! be compressed with gzip (also with several members) or zstd, byte order marks are removed, and lines end in LF, CRLF
//! or CR. [`limits`] lists the limits.

mod compress;
mod csv;
mod discover;
mod encoding;
mod error;
mod file;
mod format;
mod json;
mod json_text;
mod jsonl;
pub mod limits;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod record;
mod records;
mod score;
mod splits;
mod squad;
mod tagged;
mod text;
mod texts;
mod warn_once;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::example::{Example, Key};
use crate::ledger::Ledger;
use crate::setting::{self, NamesSettings};
use record::{Keep, Reader, Wanted};

#[cfg(feature = "pictures")]
pub(crate) use compress::open_stream;
pub use error::ReadError;
pub(crate) use error::name_fields;
pub(crate) use file::check_regular;
pub use file::{NotAFile, require_file, require_readable};
pub use format::Format;
pub use limits::MAX_RECORD_BYTES;
pub use record::{DocumentWithFields, RawField};
pub(crate) use score::SCORE;
#[cfg(feature = "pictures")]
pub(crate) use splits::{choose_split, names_a_split};
pub(crate) use squad::describe_id;
pub use tagged::TagScheme;

/// The version of the readers. It is raised when the same files and settings give other documents than before, so that
/// data prepared from them is prepared again.
pub const VERSION: u32 = 3;

/// What to do with a record or file that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Reading stops with the error.
    #[default]
    Fail,
    /// The record or file is skipped and counted in the ledger. Records are counted as `read.invalid_utf8`,
    /// `read.missing_field`, `read.not_text`, `read.malformed`, `read.bad_score` or `read.long_text`; a file, or the
    /// rest of it, as `read.empty_file`, `read.foreign_file`, `read.damaged_file` or `read.bad_tags`; and a row group as
    /// `read.damaged_row_group`, with its rows as `read.lost_rows`. A file that does not exist, or that may not be
    /// read, is still an error.
    Skip,
}

/// The files that documents are read from, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Files, folders (read recursively, in the order of their names) and globs. A file that is named twice is read
    /// twice.
    pub paths: Vec<String>,
    /// The format of all files; with `None` the extension of each file decides.
    pub format: Option<Format>,
    /// The field that holds the text, in formats that have fields. If a record also has another field called `text`,
    /// that one is dropped.
    pub text_field: String,
    /// The field that holds a score, such as a difficulty: a finite number, or text that can be parsed as one. `None`
    /// reads no scores. If a record also has another field called `score`, that one is dropped.
    pub score_field: Option<String>,
    /// Fields with further texts of the same record, which form a pair, a triplet or a larger group with the text in
    /// `text_field`. Every record must have them, and they must hold text.
    pub pair_fields: Vec<String>,
    /// Further fields that an example keeps if its record has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_fields: Vec<String>,
    /// The tags of words. In CoNLL files it is the number of their column, from 1 for the word; `None` takes the last
    /// one. In CoNLL-U it is `UPOS`, `XPOS` or the name of a key in MISC; `None` takes UPOS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_field: Option<String>,
    /// The scheme of the tags. `None` finds it from the first sentences of each file, but takes each part of speech for
    /// an entity of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_scheme: Option<TagScheme>,
    /// Whether a blank line of a text file is an empty document, so that there is one document a line.
    #[serde(skip_serializing_if = "is_false")]
    pub keep_blank_lines: bool,
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
            other_fields: Vec::new(),
            tag_field: None,
            tag_scheme: None,
            keep_blank_lines: false,
            on_error: OnError::Fail,
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Source {
    /// A source of these paths with default settings.
    pub fn new(paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { paths: paths.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The files in the order in which they are read.
    ///
    /// In a folder, and in a glob without a `format`, only files of a known format are read. If the names of files or
    /// folders state the splits of a data set (`train.jsonl` beside `test.jsonl`, `train/` beside `test/`,
    /// `train-00000-of-00002.parquet`), the files of validation and test splits are left out, so that nobody trains on
    /// them by accident. Hidden files are skipped. A file that is named itself is always read.
    ///
    /// # Errors
    /// If a path does not exist, a pattern matches nothing, or the format of a file is unknown.
    pub fn files(&self) -> Result<Vec<PathBuf>, ReadError> {
        Ok(discover::discover(&self.paths, self.format)?.files)
    }

    /// Reads all documents in the order of the files, with the fields that the source names. The index of examples
    /// counts from 0 over all files.
    ///
    /// The ledger counts files that [`Source::files`] leaves out as `read.other_files` and `read.other_splits`, and
    /// files that name no split beside others that are named for training as `read.unnamed_splits`. It lists unused
    /// fields as `unused.columns`. With [`OnError::Fail`] the first error ends the iteration.
    ///
    /// # Errors
    /// The errors of [`Source::files`] are returned at once; those of single files and records come from the iterator.
    pub fn read(&self, ledger: &Ledger) -> Result<Documents, ReadError> {
        Ok(Box::new(
            self.reading(Keep::None, false, ledger)?.map(|whole| whole.map(|whole| whole.example)),
        ))
    }

    /// Like [`Source::read`], with all fields of each record as they are in the file. Values that JSON cannot
    /// represent are counted in the ledger: `fields.as_text` counts dates, times and bytes that were written as text,
    /// `fields.not_finite` counts NaN and infinities, which only some JSON readers accept, and `fields.lost` counts
    /// values that were replaced by null.
    ///
    /// # Errors
    /// Those of [`Source::read`].
    pub fn read_all_fields(&self, ledger: &Ledger) -> Result<DocumentsWithFields, ReadError> {
        Ok(Box::new(self.reading(Keep::All, false, ledger)?))
    }

    /// Like [`Source::read_all_fields`], but only with the fields of these names.
    ///
    /// # Errors
    /// Those of [`Source::read`].
    pub(crate) fn read_fields(
        &self,
        names: &[Arc<str>],
        ledger: &Ledger,
    ) -> Result<DocumentsWithFields, ReadError> {
        Ok(Box::new(self.reading(Keep::Fields(names.to_vec()), false, ledger)?))
    }

    /// Like [`Source::read_fields`], but the text field may hold a file, such as a picture. A file in a record is
    /// [`Field::Bytes`](crate::Field::Bytes); the path of a file, or a file in base64, is text.
    ///
    /// # Errors
    /// Those of [`Source::read`].
    #[cfg(feature = "pictures")]
    pub(crate) fn read_files(
        &self,
        names: &[Arc<str>],
        ledger: &Ledger,
    ) -> Result<DocumentsWithFields, ReadError> {
        Ok(Box::new(self.reading(Keep::Fields(names.to_vec()), true, ledger)?))
    }

    fn reading(
        &self,
        keep: Keep,
        takes_files: bool,
        ledger: &Ledger,
    ) -> Result<Reading, ReadError> {
        let mut others = self.score_field.iter().chain(&self.pair_fields).chain(&self.other_fields);
        if self.text_field != TEXT && others.any(|field| field == TEXT) {
            return Err(ReadError::TextTaken { text_field: self.text_field.clone() });
        }
        let found = discover::discover(&self.paths, self.format)?;
        let other_splits: Vec<&PathBuf> = found.other_splits.iter().map(|(path, _)| path).collect();
        for (name, paths) in [
            ("read.other_files", &found.other_files.iter().collect()),
            ("read.other_splits", &other_splits),
            ("read.unnamed_splits", &found.unnamed.iter().collect()),
        ] {
            let first = paths.first().map(|path| Key::new(path.to_string_lossy(), 1));
            ledger.add(name, paths.len() as u64, first.as_ref());
        }
        Ok(Reading {
            source: self.clone(),
            keep,
            takes_files,
            ledger: ledger.clone(),
            files: found.files.into_iter(),
            current: None,
            index: 0,
            failed: false,
        })
    }
}

/// The documents of a source.
pub type Documents = Box<dyn Iterator<Item = Result<Example, ReadError>> + Send>;

/// The documents of a source with all their fields.
pub type DocumentsWithFields =
    Box<dyn Iterator<Item = Result<DocumentWithFields, ReadError>> + Send>;

/// The field that every example has.
const TEXT: &str = "text";

struct OpenFile {
    path: Arc<str>,
    records: Box<dyn Reader>,
    /// Whether a record was returned or skipped.
    touched: bool,
}

struct Reading {
    source: Source,
    keep: Keep,
    /// Whether the text field may hold a file.
    takes_files: bool,
    ledger: Ledger,
    files: std::vec::IntoIter<PathBuf>,
    current: Option<OpenFile>,
    index: u64,
    failed: bool,
}

impl Reading {
    fn open(&self, path: &Path) -> Result<Box<dyn Reader>, ReadError> {
        let name: Arc<str> = path.to_string_lossy().into();
        let format = self.source.format.or_else(|| Format::of(path));
        let format = format.ok_or_else(|| discover::unknown_extension(path))?;
        let (ledger, blank) = (&self.ledger, self.source.keep_blank_lines);
        let wanted = Wanted::new(&self.source, &self.keep, ledger).with_files(self.takes_files);
        self.check_tags(&name, format)?;
        match format {
            Format::Text | Format::Paragraphs => {
                self.check_no_fields(&name, format)?;
                match format {
                    Format::Text => {
                        let has_explicit_format = self.source.format.is_some();
                        Ok(Box::new(text::Lines::open(
                            path,
                            name,
                            blank,
                            has_explicit_format,
                            ledger,
                        )?))
                    }
                    _ => Ok(Box::new(text::Paragraphs::open(path, name, ledger)?)),
                }
            }
            Format::Jsonl => Ok(Box::new(jsonl::Jsonl::open(path, name, wanted)?)),
            Format::Csv => Ok(Box::new(csv::Csv::open(path, name, wanted, csv::Dialect::Csv)?)),
            Format::Tsv => Ok(Box::new(csv::Csv::open(path, name, wanted, csv::Dialect::Tsv)?)),
            Format::Parquet => open_parquet(path, name, wanted),
            Format::Conll => Ok(Box::new(tagged::Tagged::conll(path, name, wanted, &self.source)?)),
            Format::Conllu => {
                Ok(Box::new(tagged::Tagged::conllu(path, name, wanted, &self.source)?))
            }
            Format::Squad => Ok(Box::new(squad::Squad::open(path, name, wanted)?)),
        }
    }

    /// Checks that no field is configured for a format without fields.
    fn check_no_fields(&self, path: &Arc<str>, format: Format) -> Result<(), ReadError> {
        let Source { text_field, score_field, pair_fields, .. } = &self.source;
        let text = Some(text_field).filter(|field| *field != TEXT);
        let settings = [
            (setting::TEXT_FIELD, text),
            (setting::SCORE_FIELD, score_field.as_ref()),
            (setting::PAIR_FIELDS, pair_fields.first()),
        ];
        match settings.into_iter().find_map(|(setting, field)| Some((setting, field?.clone()))) {
            Some((setting, field)) => {
                let (path, format) = (path.to_string(), format.name());
                Err(ReadError::NoFields { path, setting, field, format })
            }
            None => Ok(()),
        }
    }

    /// Checks that nothing is configured for tags in a format without tags.
    fn check_tags(&self, path: &Arc<str>, format: Format) -> Result<(), ReadError> {
        let Source { tag_field, tag_scheme, .. } = &self.source;
        let setting = match (tag_field, tag_scheme) {
            _ if matches!(format, Format::Conll | Format::Conllu) => return Ok(()),
            (Some(_), _) => "tag_field",
            (None, Some(_)) => "tag_scheme",
            (None, None) => return Ok(()),
        };
        Err(ReadError::NoTags { path: path.to_string(), setting, format: format.name() })
    }

    /// Counts the error if such errors are skipped, and returns it otherwise.
    fn count_or_fail(&self, error: ReadError, path: &Arc<str>) -> Result<(), ReadError> {
        match error.ledger_name() {
            Some(name) if self.source.on_error == OnError::Skip => {
                // Only the first error of a kind is printed, because a bad file may have millions. The ledger counts
                // all of them.
                if self.ledger.count(name) == 0 {
                    let message = format!("skipped, like all further ones of this kind: {error}");
                    warn_once::warn_once(error.settings().first().copied(), message);
                }
                let file = Key::new(path.clone(), 1);
                self.ledger.add(name, 1, Some(error.key().unwrap_or(&file)));
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// The next document; `None` at the end of the last file.
    fn advance(&mut self) -> Result<Option<DocumentWithFields>, ReadError> {
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
                let mut record = record?;
                let key = file.records.key(&file.path, record.number);
                if record.text_bytes() > MAX_RECORD_BYTES {
                    return Err(ReadError::LongText { key, limit: MAX_RECORD_BYTES });
                }
                let fields = &mut record.fields;
                if let Some(field) = &self.source.score_field {
                    score::add(&key, fields, field)?;
                }
                for field in &self.source.pair_fields {
                    error::check_text(&key, fields, field, || file.records.names())?;
                }
                Ok((key, record))
            });
            match record {
                Some(Ok((key, record))) => {
                    let (index, fields) = (self.index, record.fields);
                    let example = Example { key, index, epoch: 0, fields };
                    self.index += 1;
                    self.current = Some(OpenFile { touched: true, ..file });
                    return Ok(Some(DocumentWithFields { example, fields: record.whole }));
                }
                Some(Err(error)) => {
                    let can_continue = error.is_one_record();
                    self.count_or_fail(error, &file.path)?;
                    if can_continue {
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
    type Item = Result<DocumentWithFields, ReadError>;

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
fn open_parquet(path: &Path, name: Arc<str>, wanted: Wanted) -> Result<Box<dyn Reader>, ReadError> {
    Ok(Box::new(parquet::Parquet::open(path, name, wanted)?))
}

#[cfg(not(feature = "parquet"))]
fn open_parquet(
    _path: &Path,
    name: Arc<str>,
    _wanted: Wanted,
) -> Result<Box<dyn Reader>, ReadError> {
    Err(ReadError::NoParquet { path: name.to_string() })
}
