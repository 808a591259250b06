//! Reads the lines of a text file, numbered from 1.

use std::io::{BufRead, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use memchr::memchr2;

use super::compress::{self, Opened};
use super::encoding;
use super::error::ReadError;
use super::limits::MAX_LINE_BYTES;
use super::{Format, records};
use crate::example::Key;
use crate::ledger::Ledger;

/// The number of bytes at the start of a file that its kind is recognised from.
const HEAD_BYTES: usize = 4096;
/// The byte order mark U+FEFF in UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Opens a file of text, called `name` in errors, and returns its first bytes with it.
///
/// # Errors
/// If the file cannot be opened, or its first bytes are not those of UTF-8 text.
pub(super) fn open_text(
    path: &Path,
    name: &str,
    ledger: &Ledger,
) -> Result<(Opened, Vec<u8>), ReadError> {
    let mut opened = compress::open(path, name, ledger)?;
    let head = opened.reader.peek(HEAD_BYTES).to_vec();
    if let Some(found) = encoding::foreign(&head) {
        let is_packed_twice = opened.compressed && found.advice.starts_with("end the file's name");
        let advice =
            if is_packed_twice { "it is packed twice: unpack it once" } else { found.advice };
        let what = found.what;
        return Err(ReadError::Foreign { path: name.to_owned(), what, advice });
    }
    Ok((opened, head))
}

/// Reads a file line by line. Each line may end in LF, CRLF or CR alone.
pub(super) struct LineReader {
    opened: Opened,
    name: Arc<str>,
    ledger: Ledger,
    line: u64,
    /// The offsets of the start of this line and of the next one.
    start: u64,
    next: u64,
    /// The first bytes of the file.
    head: Vec<u8>,
    /// The bytes of the line without its line end.
    buffer: Vec<u8>,
    /// The number of bytes of byte order marks at the start of the line.
    marks: usize,
    /// Whether the line ended in CR alone.
    lone_cr: bool,
}

impl LineReader {
    /// Opens `path`, called `name` in errors.
    ///
    /// # Errors
    /// If the file cannot be opened, or its first bytes are not those of UTF-8 text.
    pub(super) fn open(path: &Path, name: Arc<str>, ledger: &Ledger) -> Result<Self, ReadError> {
        let (opened, head) = open_text(path, &name, ledger)?;
        let (line, start, next, marks) = (0, 0, 0, 0);
        let (buffer, lone_cr, ledger) = (Vec::new(), false, ledger.clone());
        Ok(Self { opened, name, ledger, line, start, next, head, buffer, marks, lone_cr })
    }

    /// The format that the first lines look like; `None` for plain text.
    pub(super) fn looks_like(&self) -> Option<Format> {
        let head = self.head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.head);
        records::looks_like(head, self.head.len() < HEAD_BYTES)
    }

    /// Reads the next line and returns its number; `None` at the end.
    pub(super) fn advance(&mut self) -> Option<Result<u64, ReadError>> {
        self.buffer.clear();
        (self.start, self.lone_cr, self.marks) = (self.next, false, 0);
        self.line += 1;
        loop {
            let available = match self.opened.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(source) => {
                    let compressed = self.opened.compressed;
                    let error = compress::read_error(source, compressed, &self.name, self.line);
                    return Some(Err(error));
                }
            };
            if available.is_empty() {
                // A byte order mark at the end of a file is not a line.
                if self.buffer.is_empty() || self.buffer == BYTE_ORDER_MARK {
                    return None;
                }
                break;
            }
            let end = memchr2(b'\n', b'\r', available);
            let length = end.unwrap_or(available.len());
            self.buffer.extend_from_slice(&available[..length]);
            let return_at_end = end.is_some_and(|end| available[end] == b'\r');
            let consumed = length + usize::from(end.is_some());
            self.opened.reader.consume(consumed);
            self.next += consumed as u64;
            if self.buffer.len() as u64 > MAX_LINE_BYTES {
                return Some(Err(ReadError::TooLong { key: self.key(), limit: MAX_LINE_BYTES }));
            }
            if return_at_end {
                // A read error is ignored here, because it occurs again for the next line.
                let line_feed =
                    self.opened.reader.fill_buf().is_ok_and(|b| b.first() == Some(&b'\n'));
                if line_feed {
                    self.opened.reader.consume(1);
                    self.next += 1;
                }
                self.lone_cr = !line_feed;
            }
            if end.is_some() {
                break;
            }
        }
        self.skip_marks();
        Some(Ok(self.line))
    }

    /// Skips byte order marks at the start of the line. Many files begin with one. Further ones show that files were
    /// concatenated, and are counted.
    fn skip_marks(&mut self) {
        while self.buffer[self.marks..].starts_with(BYTE_ORDER_MARK) {
            self.marks += BYTE_ORDER_MARK.len();
        }
        let count =
            self.marks / BYTE_ORDER_MARK.len() - usize::from(self.marks > 0 && self.line == 1);
        if count > 0 {
            self.ledger.add("read.byte_order_marks", count as u64, Some(&self.key()));
        }
    }

    /// The last line, without its line end.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.marks..]
    }

    /// Whether the last line began with a byte order mark, as the first line of a file may.
    pub(super) fn is_marked(&self) -> bool {
        self.marks > 0
    }

    /// Whether the last line ended in CR alone.
    pub(super) fn ended_in_cr(&self) -> bool {
        self.lone_cr
    }

    /// The last line as text.
    pub(super) fn text(&self) -> Result<&str, ReadError> {
        std::str::from_utf8(self.bytes()).map_err(|error| self.invalid_utf8(error.valid_up_to()))
    }

    /// The error for byte `byte` of the last line, which is not UTF-8.
    pub(super) fn invalid_utf8(&self, byte: usize) -> ReadError {
        ReadError::InvalidUtf8 {
            key: self.key(),
            offset: self.start + (self.marks + byte) as u64,
            advice: encoding::advice(self.bytes(), &self.head),
        }
    }

    /// Reads the next line and returns it with its number.
    pub(super) fn next_line(&mut self) -> Option<Result<(u64, &str), ReadError>> {
        match self.advance()? {
            Ok(number) => Some(self.text().map(|line| (number, line))),
            Err(error) => Some(Err(error)),
        }
    }

    /// The key of line `line` of this file.
    pub(super) fn key_at(&self, line: u64) -> Key {
        Key::new(self.name.clone(), line)
    }

    fn key(&self) -> Key {
        self.key_at(self.line)
    }
}
