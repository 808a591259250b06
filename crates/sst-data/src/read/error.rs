//! What can be wrong with a data file: a sentence each, with the place and what to do.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::example::{Field, Key};

/// Why documents could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A path without wildcards that is not there.
    #[error("{path} does not exist: check the path (it is relative to the working directory)")]
    NotFound {
        /// The path, as written.
        path: String,
    },
    /// A glob without a match.
    #[error("the pattern {pattern} matches no file: check it against the folder's contents")]
    NoMatch {
        /// The pattern, as written.
        pattern: String,
    },
    /// A glob that is not one.
    #[error("{pattern} is not a valid pattern ({reason}): write [[] for a literal bracket")]
    BadPattern {
        /// The pattern, as written.
        pattern: String,
        /// What the parser says.
        reason: String,
    },
    /// No paths at all.
    #[error("no data path is given: set `data.paths` to a file, a folder or a glob")]
    NoPaths,
    /// A folder or glob in which nothing is readable.
    #[error(
        "{path} holds no file of a known format (it holds {found}): \
         set the format and name the files with a glob such as {path}/*"
    )]
    NoFiles {
        /// The folder or pattern, as written.
        path: String,
        /// The extensions seen, or `nothing`.
        found: String,
    },
    /// A file whose extension says nothing.
    #[error("{path}: {advice}")]
    UnknownExtension {
        /// The file.
        path: String,
        /// What to do.
        advice: &'static str,
    },
    /// A folder or glob with the data of several splits, none of which is for training.
    #[error(
        "{path} holds data of the splits {splits} and none to train on: name the files that are meant, \
         such as {example}"
    )]
    NoTrainingSplit {
        /// The folder or pattern, as written.
        path: String,
        /// The splits found.
        splits: String,
        /// One of the files.
        example: String,
    },
    /// A format that the extension contradicts.
    #[error(
        "{path}: the format is set to {format}, but the extension says {extension}: set the format to \
         {extension}, leave it out, or rename the file"
    )]
    AgainstExtension {
        /// The file.
        path: String,
        /// The format that is set.
        format: &'static str,
        /// The format of the extension.
        extension: &'static str,
    },
    /// A field of a file whose format has none.
    #[error(
        "{path}: {setting} is `{field}`, but a {format} file has no fields: leave the setting out"
    )]
    NoFields {
        /// The file.
        path: String,
        /// The setting that names the field.
        setting: &'static str,
        /// The field.
        field: String,
        /// The format.
        format: &'static str,
    },
    /// A second field of a name that the text has once it is read.
    #[error(
        "the text is read from field `{text_field}` and is called `text` from then on, so a field `text` \
         cannot be used beside it: exchange the two, or rename one in the file"
    )]
    TextTaken {
        /// The field with the text.
        text_field: String,
    },
    /// A pipe, a device or a folder where a file is needed.
    #[error("{path} is {what}, not a file: write the data to a file and name that")]
    NotAFile {
        /// The path.
        path: String,
        /// What it is, with its article.
        what: &'static str,
    },
    /// A link to a file that is not there.
    #[error(
        "{path} is a link to {target}, which does not exist: put the file back, or remove the link"
    )]
    Dangling {
        /// The link.
        path: String,
        /// What it leads to, as the link says.
        target: String,
    },
    /// A file of another kind than its name says.
    #[error("{path} is {what}: {advice}")]
    Foreign {
        /// The file.
        path: String,
        /// What it is.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A file that goes beyond a limit.
    #[error("{path} is not read: {reason}")]
    Refused {
        /// The file.
        path: String,
        /// The limit, and what to do.
        reason: String,
    },
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file without a single document.
    #[error("{path} holds no document: remove the file or write one into it")]
    Empty {
        /// The file.
        path: String,
    },
    /// Bytes that are not UTF-8.
    #[error("{key} is not UTF-8 (byte {offset} of the file): {advice}")]
    InvalidUtf8 {
        /// The line or row.
        key: Key,
        /// The first bad byte, counted from 0, after decompression.
        offset: u64,
        /// What to do.
        advice: String,
    },
    /// A value of a Parquet file that is not UTF-8.
    #[error(
        "{key}: the value of `{field}` is not UTF-8 (byte {offset} of it): write the file again with text \
         that is"
    )]
    InvalidValue {
        /// The row.
        key: Key,
        /// The column.
        field: String,
        /// The first bad byte of the value, counted from 0.
        offset: usize,
    },
    /// A record that is not of the file's format.
    #[error("{key}: {reason}")]
    Malformed {
        /// The line or row.
        key: Key,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A record without the text field.
    #[error("{key} has no field `{field}` (it has {found}): set `text_field` to the one to read")]
    MissingField {
        /// The line or row.
        key: Key,
        /// The field looked for.
        field: String,
        /// The fields that exist.
        found: String,
    },
    /// A record without a further text that is asked for.
    #[error(
        "{key} has no text in field `{field}` (it has {found}): put it right or choose other `pair_fields`"
    )]
    MissingPair {
        /// The line or row.
        key: Key,
        /// The field looked for.
        field: String,
        /// The fields that exist.
        found: String,
    },
    /// A text field that holds something else.
    #[error("{key}: field `{field}` is {found}, not a string: choose another field or convert it")]
    NotText {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
        /// The type found, with its article.
        found: String,
    },
    /// A record without a score, where one is asked for.
    #[error(
        "{key}: the score in field `{field}` is {found}, not a finite number: put it right or choose \
         another `score_field`"
    )]
    BadScore {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
        /// What is there instead.
        found: String,
    },
    /// A line or record too long to be one document.
    #[error("{key} is longer than {limit} bytes: split it, or check that the format is right")]
    TooLong {
        /// The line or row.
        key: Key,
        /// The limit in bytes.
        limit: u64,
    },
    /// A text too long to be one document, in a record that is otherwise good.
    #[error("{key}: its text is longer than {limit} bytes: split it, or choose another field")]
    LongText {
        /// The line or row.
        key: Key,
        /// The limit in bytes.
        limit: u64,
    },
    /// A compressed or Parquet file that is cut short or damaged.
    #[error("{path} is damaged or cut short ({reason}): fetch or write the file again")]
    Damaged {
        /// The file, with the line reached where there is one.
        path: String,
        /// What the decoder says.
        reason: String,
    },
    /// A row group of a Parquet file that is damaged.
    #[error("{path} is damaged or cut short ({reason}): fetch or write the file again")]
    DamagedRows {
        /// The file.
        path: String,
        /// The first row that is lost.
        key: Key,
        /// The rows, and what the decoder says.
        reason: String,
    },
    /// A Parquet file inside gzip or zstd.
    #[error("{path}: Parquet needs random access: decompress the file first")]
    CompressedParquet {
        /// The file.
        path: String,
    },
    /// Parquet without the feature.
    #[error("{path}: this build cannot read Parquet: rebuild with the feature `parquet`")]
    NoParquet {
        /// The file.
        path: String,
    },
}

impl ReadError {
    /// The ledger's name for it when `on_error` is `skip`; `None` if it can never be skipped.
    pub fn ledger_name(&self) -> Option<&'static str> {
        match self {
            Self::Empty { .. } => Some("read.empty_file"),
            Self::InvalidUtf8 { .. } | Self::InvalidValue { .. } => Some("read.invalid_utf8"),
            Self::Foreign { .. } => Some("read.foreign_file"),
            Self::Malformed { .. } => Some("read.malformed"),
            Self::MissingField { .. } | Self::MissingPair { .. } => Some("read.missing_field"),
            Self::NotText { .. } => Some("read.not_text"),
            Self::BadScore { .. } => Some("read.bad_score"),
            Self::LongText { .. } => Some("read.long_text"),
            Self::DamagedRows { .. } => Some("read.damaged_row_group"),
            Self::Damaged { .. } | Self::TooLong { .. } | Self::Refused { .. } => {
                Some("read.damaged_file")
            }
            _ => None,
        }
    }

    /// Whether the rest of the file can still be read.
    pub(super) fn is_one_record(&self) -> bool {
        matches!(
            self,
            Self::DamagedRows { .. }
                | Self::LongText { .. }
                | Self::InvalidUtf8 { .. }
                | Self::InvalidValue { .. }
                | Self::Malformed { .. }
                | Self::MissingField { .. }
                | Self::MissingPair { .. }
                | Self::NotText { .. }
                | Self::BadScore { .. }
        )
    }

    /// The line or row, if the error belongs to one.
    pub(super) fn key(&self) -> Option<&Key> {
        match self {
            Self::DamagedRows { key, .. }
            | Self::LongText { key, .. }
            | Self::InvalidUtf8 { key, .. }
            | Self::InvalidValue { key, .. }
            | Self::Malformed { key, .. }
            | Self::MissingField { key, .. }
            | Self::MissingPair { key, .. }
            | Self::NotText { key, .. }
            | Self::BadScore { key, .. }
            | Self::TooLong { key, .. } => Some(key),
            _ => None,
        }
    }
}

/// Field names for a message: `id, body and url`, the first dozen.
pub(super) fn name_fields<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "no field at all".to_owned(),
        n if n > SHOWN => format!("{} and {} more", names[..SHOWN].join(", "), n - SHOWN),
        _ => names.join(", "),
    }
}

/// Checks that a record has text in `field`; `names` are those of all its fields.
pub(super) fn check_text(
    key: &Key,
    fields: &BTreeMap<Arc<str>, Field>,
    field: &str,
    names: impl FnOnce() -> Vec<String>,
) -> Result<(), ReadError> {
    let (key, field) = (key.clone(), field.to_owned());
    let found = match fields.get(&*field) {
        Some(Field::Text(_)) => return Ok(()),
        // Nulls, arrays and objects are not kept as fields, so they look the same here.
        None => {
            let found = name_fields(names().iter().map(String::as_str));
            return Err(ReadError::MissingPair { key, field, found });
        }
        Some(Field::Tokens(_) | Field::Ints(_) | Field::Spans(_)) => "a list",
        Some(Field::Int(_) | Field::Float(_)) => "a number",
    };
    Err(ReadError::NotText { key, field, found: found.to_owned() })
}
