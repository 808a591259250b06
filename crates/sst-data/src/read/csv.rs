//! Comma- and tab-separated values with a header line.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use super::error::name_fields;
use super::lines::{LineReader, MAX_RECORD_BYTES};
use super::{ReadError, Record, TEXT};
use crate::example::Field;

/// How the values are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Commas; a field may be quoted and then hold commas, quotes (doubled) and line ends.
    Csv,
    /// Tabs; a quote is an ordinary character.
    Tsv,
}

/// Records with a header. All fields are kept, as text: a column of digits may well be an
/// identifier with leading zeros.
pub(super) struct Csv {
    rows: Rows,
    text_field: String,
    header: Option<Header>,
    /// Set by an error in the header: without it nothing else can be read.
    broken: bool,
}

struct Header {
    names: Vec<Arc<str>>,
    text: Option<usize>,
}

impl Csv {
    /// Opens `path`, called `name` in errors, for the text in column `text_field`.
    pub(super) fn open(
        path: &Path,
        name: Arc<str>,
        text_field: &str,
        dialect: Dialect,
    ) -> Result<Self, ReadError> {
        let lines = LineReader::open(path, name)?;
        let rows = Rows::new(lines, dialect);
        Ok(Self { rows, text_field: text_field.to_owned(), header: None, broken: false })
    }

    fn read_header(&mut self) -> Option<Result<Header, ReadError>> {
        let line = match self.rows.advance()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        let names: Vec<Arc<str>> = self.rows.fields().map(|name| Arc::from(name.trim())).collect();
        let mut places = names.iter().enumerate().filter(|(_, name)| ***name == self.text_field);
        let text = places.next().map(|(place, _)| place);
        if places.next().is_some() {
            let reason = format!("column `{}` stands twice in the header", self.text_field);
            return Some(Err(ReadError::Malformed { key: self.rows.lines.key_at(line), reason }));
        }
        Some(Ok(Header { names, text }))
    }
}

impl Iterator for Csv {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let header = match self.header.take() {
            Some(header) => header,
            None => match self.read_header()? {
                Ok(header) => header,
                Err(error) => {
                    self.broken = true;
                    return Some(Err(error));
                }
            },
        };
        let record = self.rows.advance().map(|advanced| {
            let line = advanced?;
            let key = self.rows.lines.key_at(line);
            let (width, expected) = (self.rows.ends.len(), header.names.len());
            if width != expected {
                let reason = format!(
                    "{width} fields where the header has {expected}: check the quotes and separators"
                );
                return Err(ReadError::Malformed { key, reason });
            }
            let Some(text) = header.text else {
                let found = name_fields(header.names.iter().map(|name| &**name));
                return Err(ReadError::MissingField { key, field: self.text_field.clone(), found });
            };
            let mut fields = BTreeMap::new();
            let mut document = String::new();
            for (place, (name, value)) in header.names.iter().zip(self.rows.fields()).enumerate() {
                if place == text {
                    document = value.to_owned();
                } else {
                    fields.insert(name.clone(), Field::Text(value.to_owned()));
                }
            }
            fields.insert(Arc::from(TEXT), Field::Text(document));
            Ok((line, fields))
        });
        self.header = Some(header);
        record
    }
}

/// Splits lines into fields. A record is fed to the parser line by line, so that errors have exact
/// places, a record has a bounded size, and a quote that is never closed is found out.
struct Rows {
    lines: LineReader,
    dialect: Dialect,
    parser: Reader,
    /// The fields of the record, one after the other, and where each ends.
    content: String,
    ends: Vec<usize>,
}

impl Rows {
    fn new(lines: LineReader, dialect: Dialect) -> Self {
        let parser = ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build();
        Self { lines, dialect, parser, content: String::new(), ends: Vec::new() }
    }

    fn fields(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.content.get(start..*end).unwrap_or_default())
    }

    /// Reads the next record that is not a blank line and gives its first line.
    fn advance(&mut self) -> Option<Result<u64, ReadError>> {
        loop {
            let first = match self.lines.advance()? {
                Ok(first) => first,
                Err(error) => return Some(Err(error)),
            };
            if self.lines.bytes().is_empty() {
                continue;
            }
            let read = match self.dialect {
                Dialect::Csv => self.quoted(first),
                Dialect::Tsv => self.plain(),
            };
            return Some(read.map(|()| first));
        }
    }

    fn plain(&mut self) -> Result<(), ReadError> {
        self.content.clear();
        self.ends.clear();
        for field in self.lines.text()?.split('\t') {
            self.content.push_str(field);
            self.ends.push(self.content.len());
        }
        Ok(())
    }

    fn quoted(&mut self, first: u64) -> Result<(), ReadError> {
        let mut bytes = std::mem::take(&mut self.content).into_bytes();
        let (mut length, mut count) = (0, 0);
        let mut bad = None;
        loop {
            bad = bad.or_else(|| self.lines.text().err());
            let line = [self.lines.bytes(), b"\n"].concat();
            let mut input = line.as_slice();
            if (length + input.len()) as u64 > MAX_RECORD_BYTES {
                let key = self.lines.key_at(first);
                return Err(ReadError::TooLong { key, limit: MAX_RECORD_BYTES });
            }
            // What is unquoted is never longer than what it was read from.
            bytes.resize(bytes.len().max(length + input.len()), 0);
            let done = loop {
                self.ends.resize(self.ends.len().max(count + 16), 0);
                let (result, used, written, ended) =
                    self.parser.read_record(input, &mut bytes[length..], &mut self.ends[count..]);
                input = &input[used..];
                (length, count) = (length + written, count + ended);
                match result {
                    ReadRecordResult::InputEmpty => break false,
                    ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {}
                    ReadRecordResult::Record | ReadRecordResult::End => break true,
                }
            };
            if done {
                break;
            }
            match self.lines.advance() {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => {
                    let reason = "a quote opened here is never closed: double a quote that is data";
                    let key = self.lines.key_at(first);
                    return Err(ReadError::Malformed { key, reason: reason.to_owned() });
                }
            }
        }
        bytes.truncate(length);
        self.ends.truncate(count);
        match (bad, String::from_utf8(bytes)) {
            (None, Ok(content)) => {
                self.content = content;
                Ok(())
            }
            (Some(error), _) => Err(error),
            (None, Err(_)) => {
                let reason = "the fields are not UTF-8 once unquoted".to_owned();
                Err(ReadError::Malformed { key: self.lines.key_at(first), reason })
            }
        }
    }
}
