//! Lines of a text file, numbered from 1, checked to be UTF-8.

use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;

use super::compress::{self, Opened};
use super::error::ReadError;
use crate::example::Key;

/// The longest line, paragraph or CSV record read as one document: 256 MiB. A file of another
/// format without line ends would otherwise fill the memory.
pub const MAX_RECORD_BYTES: u64 = 256 << 20;

/// A file, line by line.
pub(super) struct LineReader {
    opened: Opened,
    name: Arc<str>,
    line: u64,
    /// The byte the line starts at.
    start: u64,
    buffer: Vec<u8>,
}

impl LineReader {
    /// Opens `path`, called `name` in errors.
    pub(super) fn open(path: &Path, name: Arc<str>) -> Result<Self, ReadError> {
        let opened = compress::open(path, &name)?;
        let start = opened.offset;
        Ok(Self { opened, name, line: 0, start, buffer: Vec::new() })
    }

    /// Reads the next line and gives its number; `None` at the end.
    pub(super) fn advance(&mut self) -> Option<Result<u64, ReadError>> {
        self.start += self.buffer.len() as u64;
        self.buffer.clear();
        self.line += 1;
        let mut limited = self.opened.reader.by_ref().take(MAX_RECORD_BYTES + 1);
        match limited.read_until(b'\n', &mut self.buffer) {
            Ok(0) => None,
            Ok(length) if length as u64 > MAX_RECORD_BYTES => {
                Some(Err(ReadError::TooLong { key: self.key(), limit: MAX_RECORD_BYTES }))
            }
            Ok(_) => Some(Ok(self.line)),
            Err(source) => {
                let compressed = self.opened.compressed;
                Some(Err(compress::read_error(source, compressed, &self.name, self.line)))
            }
        }
    }

    /// The line just read, without its LF or CRLF.
    pub(super) fn bytes(&self) -> &[u8] {
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// The line just read as text.
    pub(super) fn text(&self) -> Result<&str, ReadError> {
        std::str::from_utf8(self.bytes()).map_err(|error| ReadError::InvalidUtf8 {
            key: self.key(),
            offset: self.start + error.valid_up_to() as u64,
            advice: self.opened.advice.to_owned(),
        })
    }

    /// The next line and its number.
    pub(super) fn next_line(&mut self) -> Option<Result<(u64, &str), ReadError>> {
        match self.advance()? {
            Ok(number) => Some(self.text().map(|line| (number, line))),
            Err(error) => Some(Err(error)),
        }
    }

    /// The place of line `line` of this file.
    pub(super) fn key_at(&self, line: u64) -> Key {
        Key::new(self.name.clone(), line)
    }

    fn key(&self) -> Key {
        self.key_at(self.line)
    }
}
