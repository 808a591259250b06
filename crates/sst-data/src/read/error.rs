//! Errors of data files: one sentence each, with the place and what to do.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::example::{Field, Key};
use crate::setting::{self, NamesSettings, Setting};

/// Why documents could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A path without wildcards does not exist.
    #[error("{path} does not exist: check the path (it is relative to the working directory)")]
    NotFound {
        /// The path, as written.
        path: String,
    },
    /// A glob matches no file.
    #[error("the pattern {pattern} matches no file: check it against the folder's contents")]
    NoMatch {
        /// The pattern, as written.
        pattern: String,
    },
    /// A glob is not valid.
    #[error("{pattern} is not a valid pattern ({reason}): write [[] for a literal bracket")]
    BadPattern {
        /// The pattern, as written.
        pattern: String,
        /// The message of the parser.
        reason: String,
    },
    /// No path is given.
    #[error("no data path is given: set `paths` to a file, a folder or a glob")]
    NoPaths,
    /// A folder or glob contains no readable file.
    #[error(
        "{path} holds no file of a known format (it holds {found}): \
         set `format` and name the files with a glob such as {path}/*"
    )]
    NoFiles {
        /// The folder or pattern, as written.
        path: String,
        /// The extensions that were found, or `nothing`.
        found: String,
    },
    /// The extension of a file does not name a format that is read.
    #[error("{path}: {advice}")]
    UnknownExtension {
        /// The file.
        path: String,
        /// What to do.
        advice: &'static str,
        /// The setting that the advice is about.
        setting: Option<Setting>,
    },
    /// A folder or glob contains several splits, none of which is for training.
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
    /// The configured format contradicts the extension.
    #[error(
        "{path}: the format is set to {format}, but the extension says {extension}: set `format` to {extension}, leave it \
         out, or rename the file"
    )]
    AgainstExtension {
        /// The file.
        path: String,
        /// The configured format.
        format: &'static str,
        /// The format of the extension.
        extension: &'static str,
    },
    /// A field is configured, but files of this format have no fields.
    #[error(
        "{path}: {setting} is `{field}`, but a {format} file has no fields: leave the setting out"
    )]
    NoFields {
        /// The file.
        path: String,
        /// The setting that names the field.
        setting: Setting,
        /// The field.
        field: String,
        /// The format.
        format: &'static str,
    },
    /// The tags of a file are of no known form.
    #[error("{path}: {reason}")]
    BadTags {
        /// The file.
        path: String,
        /// The problem and what to do.
        reason: String,
    },
    /// The setting that says where the tags are does not fit the file.
    #[error("{path}: {reason}")]
    BadTagField {
        /// The file.
        path: String,
        /// The problem and what to do.
        reason: String,
    },
    /// A setting for tags is configured, but files of this format have none.
    #[error(
        "{path}: {setting} is set, but a {format} file has no column of tags: leave the setting out, or set the format"
    )]
    NoTags {
        /// The file.
        path: String,
        /// The setting.
        setting: &'static str,
        /// The format.
        format: &'static str,
    },
    /// Another configured field is called `text`, which is the name of the text field after reading.
    #[error(
        "the text is read from field `{text_field}` and is called `text` from then on, so a field `text` \
         cannot be used beside it: exchange the two, or rename one in the file"
    )]
    TextTaken {
        /// The field with the text.
        text_field: String,
    },
    /// The path is a pipe, a device or a folder instead of a file.
    #[error("{path} is {what}, not a file: write the data to a file and name that")]
    NotAFile {
        /// The path.
        path: String,
        /// The kind of thing, with its article.
        what: &'static str,
    },
    /// The path is a link whose target does not exist.
    #[error(
        "{path} is a link to {target}, which does not exist: put the file back, or remove the link"
    )]
    Dangling {
        /// The link.
        path: String,
        /// The target, as the link states it.
        target: String,
    },
    /// The contents of a file do not match its name.
    #[error("{path} is {what}: {advice}")]
    Foreign {
        /// The file.
        path: String,
        /// The kind of file.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A file goes beyond a limit.
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
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file contains no document.
    #[error("{path} holds no document: remove the file or write one into it")]
    Empty {
        /// The file.
        path: String,
    },
    /// A line or row is not UTF-8.
    #[error("{key} is not UTF-8 (byte {offset} of the file): {advice}")]
    InvalidUtf8 {
        /// The line or row.
        key: Key,
        /// The offset of the first invalid byte, from 0, after decompression.
        offset: u64,
        /// What to do.
        advice: String,
    },
    /// A value of a Parquet file is not UTF-8.
    #[error(
        "{key}: the value of `{field}` is not UTF-8 (byte {offset} of it): write the file again with text \
         that is"
    )]
    InvalidValue {
        /// The row.
        key: Key,
        /// The column.
        field: String,
        /// The offset of the first invalid byte within the value, from 0.
        offset: usize,
    },
    /// A record does not follow the format of the file.
    #[error("{key}: {reason}")]
    Malformed {
        /// The line or row.
        key: Key,
        /// The problem and what to do.
        reason: String,
    },
    /// A record has no text field.
    #[error("{key} has no field `{field}` (it has {found}): set `text_field` to the one to read")]
    MissingField {
        /// The line or row.
        key: Key,
        /// The missing field.
        field: String,
        /// The fields that exist.
        found: String,
    },
    /// A record lacks one of the texts in `pair_fields`.
    #[error(
        "{key} has no text in field `{field}` (it has {found}): put it right or choose other `pair_fields`"
    )]
    MissingPair {
        /// The line or row.
        key: Key,
        /// The missing field.
        field: String,
        /// The fields that exist.
        found: String,
    },
    /// A text field holds something other than a string.
    #[error("{key}: field `{field}` is {found}, not a string: choose another field or convert it")]
    NotText {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
        /// The type of the value, with its article.
        found: String,
    },
    /// A record has no valid score, although scores are read.
    #[error(
        "{key}: the score in field `{field}` is {found}, not a finite number: put it right or choose \
         another `score_field`"
    )]
    BadScore {
        /// The line or row.
        key: Key,
        /// The field.
        field: String,
        /// What the record has instead.
        found: String,
    },
    /// A line or record is too long.
    #[error("{key} is longer than {limit} bytes: split it, or check that the format is right")]
    TooLong {
        /// The line or row.
        key: Key,
        /// The limit in bytes.
        limit: u64,
    },
    /// The text of an otherwise valid record is too long.
    #[error("{key}: its text is longer than {limit} bytes: split it, or choose another field")]
    LongText {
        /// The line or row.
        key: Key,
        /// The limit in bytes.
        limit: u64,
    },
    /// A compressed file or a Parquet file is cut short or damaged.
    #[error("{path} is damaged or cut short ({reason}): fetch or write the file again")]
    Damaged {
        /// The file, with the last line that was read where there are lines.
        path: String,
        /// The message of the decoder.
        reason: String,
    },
    /// A row group of a Parquet file is damaged.
    #[error("{path} is damaged or cut short ({reason}): fetch or write the file again")]
    DamagedRows {
        /// The file.
        path: String,
        /// The first row that is lost.
        key: Key,
        /// The lost rows, and the message of the decoder.
        reason: String,
    },
    /// A Parquet file is compressed with gzip or zstd.
    #[error("{path}: Parquet needs random access: decompress the file first")]
    CompressedParquet {
        /// The file.
        path: String,
    },
    /// The feature `parquet` is not compiled in.
    #[error("{path}: this build cannot read Parquet: rebuild with the feature `parquet`")]
    NoParquet {
        /// The file.
        path: String,
    },
}

impl NamesSettings for ReadError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::NoPaths => vec![setting::PATHS],
            Self::NoFiles { .. } | Self::AgainstExtension { .. } => vec![setting::FORMAT],
            Self::UnknownExtension { setting, .. } => setting.iter().copied().collect(),
            Self::NoFields { setting, .. } => vec![*setting],
            Self::MissingField { .. } => vec![setting::TEXT_FIELD],
            Self::MissingPair { .. } => vec![setting::PAIR_FIELDS],
            Self::BadScore { .. } => vec![setting::SCORE_FIELD],
            _ => Vec::new(),
        }
    }
}

impl ReadError {
    /// The name under which the ledger counts this error if `on_error` is `skip`; `None` if it is never skipped.
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
            Self::BadTags { .. } => Some("read.bad_tags"),
            Self::DamagedRows { .. } => Some("read.damaged_row_group"),
            Self::Damaged { .. } | Self::TooLong { .. } | Self::Refused { .. } => {
                Some("read.damaged_file")
            }
            _ => None,
        }
    }

    /// Whether reading can continue with the next record.
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

/// Lists at most a dozen field names for a message, such as `id, body and url`.
pub(crate) fn name_fields<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "no field at all".to_owned(),
        n if n > SHOWN => format!("{} and {} more", names[..SHOWN].join(", "), n - SHOWN),
        _ => names.join(", "),
    }
}

/// Checks that a record has text in `field`. `names` are the names of all its fields.
pub(super) fn check_text(
    key: &Key,
    fields: &BTreeMap<Arc<str>, Field>,
    field: &str,
    names: impl FnOnce() -> Vec<String>,
) -> Result<(), ReadError> {
    let (key, field) = (key.clone(), field.to_owned());
    let found = match fields.get(&*field) {
        Some(Field::Text(_)) => return Ok(()),
        // Nulls, arrays and objects are not kept as fields, so they count as missing here.
        None => {
            let found = name_fields(names().iter().map(String::as_str));
            return Err(ReadError::MissingPair { key, field, found });
        }
        Some(Field::Tokens(_) | Field::Ints(_) | Field::Spans(_)) => "a list",
        Some(Field::Int(_) | Field::Float(_)) => "a number",
        Some(Field::Bytes(_) | Field::Pixels(_)) => "a file",
    };
    Err(ReadError::NotText { key, field, found: found.to_owned() })
}
