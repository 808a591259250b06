//! Reads plain text: one document a line, or documents separated by blank lines.

use std::path::Path;
use std::sync::Arc;

use super::ReadError;
use super::limits::MAX_RECORD_BYTES;
use super::lines::LineReader;
use super::record::{Reader, Record};
use super::warn_once;
use crate::ledger::Ledger;
use crate::setting;

/// A reader of one document a line. Blank lines are either skipped and counted in the ledger as `read.blank_lines`, or
/// are empty documents.
pub(super) struct Lines {
    lines: LineReader,
    ledger: Ledger,
    keep_blank: bool,
}

impl Lines {
    /// Opens `path`, called `name` in errors. If the user did not configure the format (`has_explicit_format` is
    /// false), lines that look like records of another format cause a warning, and are counted as
    /// `read.records_as_text`.
    pub(super) fn open(
        path: &Path,
        name: Arc<str>,
        keep_blank: bool,
        has_explicit_format: bool,
        ledger: &Ledger,
    ) -> Result<Self, ReadError> {
        let lines = LineReader::open(path, name, ledger)?;
        if let Some(format) = lines.looks_like().filter(|_| !has_explicit_format) {
            let (file, format) = (lines.key_at(1), format.name());
            let what =
                if format == "jsonl" { "JSON objects" } else { "rows of a table with a header" };
            let message = format!(
                "{file}: the lines look like {what} and are read as plain text: set `format` to {format} to read their \
                 fields, or to text if plain text is meant",
            );
            warn_once::warn_once(Some(setting::FORMAT), message);
            ledger.add("read.records_as_text", 1, Some(&file));
        }
        Ok(Self { lines, ledger: ledger.clone(), keep_blank })
    }
}

impl Reader for Lines {
    fn next(&mut self) -> Option<Result<Record, ReadError>> {
        loop {
            match self.lines.next_line()? {
                Ok((number, line)) if line.trim().is_empty() && !self.keep_blank => {
                    let key = self.lines.key_at(number);
                    self.ledger.add("read.blank_lines", 1, Some(&key));
                }
                Ok((number, line)) => return Some(Ok(Record::of_text(number, line.to_owned()))),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A reader of documents separated by blank lines. The key of a document is that of its first line.
pub(super) struct Paragraphs {
    lines: LineReader,
}

impl Paragraphs {
    /// Opens `path`, called `name` in errors.
    pub(super) fn open(path: &Path, name: Arc<str>, ledger: &Ledger) -> Result<Self, ReadError> {
        Ok(Self { lines: LineReader::open(path, name, ledger)? })
    }
}

impl Reader for Paragraphs {
    fn next(&mut self) -> Option<Result<Record, ReadError>> {
        let mut first = 0;
        let mut text = String::new();
        let mut bad = None;
        while let Some(next) = self.lines.next_line() {
            match next {
                Ok((_, line)) if line.trim().is_empty() => {
                    if first > 0 {
                        break;
                    }
                }
                Ok((number, line)) => {
                    if first == 0 {
                        first = number;
                    } else {
                        text.push('\n');
                    }
                    text.push_str(line);
                    if text.len() as u64 > MAX_RECORD_BYTES {
                        let key = self.lines.key_at(first);
                        return Some(Err(ReadError::TooLong { key, limit: MAX_RECORD_BYTES }));
                    }
                }
                // A paragraph with an unreadable line is skipped as a whole.
                Err(error) if error.is_one_record() => {
                    first =
                        if first == 0 { error.key().map_or(1, |key| key.record) } else { first };
                    bad = bad.or(Some(error));
                }
                Err(error) => return Some(Err(error)),
            }
        }
        match bad {
            Some(error) => Some(Err(error)),
            None if first == 0 => None,
            None => Some(Ok(Record::of_text(first, text))),
        }
    }
}
