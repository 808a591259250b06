//! Reads comma- and tab-separated values with a header line.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use csv_core::{ReadRecordResult, Reader as Parser, ReaderBuilder, Terminator};
use memchr::memchr;
use serde_json::Value;

use super::ReadError;
use super::error::name_fields;
use super::limits::{MAX_FIELDS, MAX_RECORD_BYTES};
use super::lines::LineReader;
use super::record::{RawField, Reader, Record, Wanted};
use crate::example::Field;

/// How values are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Values are separated by commas. A field may be quoted and may then contain commas, doubled quotes and line
    /// ends.
    Csv,
    /// Values are separated by tabs. A value contains neither tabs nor line ends, and a quote is an ordinary
    /// character. The exception is a field that was certainly quoted by pandas, `csv.writer` or similar: it is
    /// unquoted, and counted in the ledger as `read.unquoted_fields`. Such a field begins and ends with a quote, all
    /// quotes in between are doubled, and
    ///
    /// - it contains at least one doubled quote, as in `"he said ""hi"" ok"`, or nothing at all, as in `""`; or
    /// - all fields of the header are quoted, so that the whole file is (`csv.QUOTE_ALL`, `csv.QUOTE_NONNUMERIC`).
    ///
    /// Otherwise `"word"` keeps its quotes, because a writer that quotes only where it must would not have quoted it.
    /// It is counted as `read.ambiguous_quotes`. Other fields with quotes are raw text, as in STS-B: `"open`, `"a" and
    /// "b"`. In a table of one column the number of fields cannot show that a quoted value continues on the next line,
    /// so a line with an unclosed quote is counted as ambiguous, too.
    Tsv,
}

/// A reader of records below a header. Values are text, because a column of digits may be an identifier with leading
/// zeros.
pub(super) struct Csv {
    rows: Rows,
    wanted: Wanted,
    header: Option<Header>,
    /// Whether the header has an error. Then nothing else can be read.
    broken: bool,
}

struct Header {
    names: Vec<Arc<str>>,
    /// The index of the text column.
    text: Option<usize>,
    /// The indices of the other columns that are used.
    others: Vec<usize>,
}

impl Csv {
    /// Opens `path`, called `name` in errors.
    pub(super) fn open(
        path: &Path,
        name: Arc<str>,
        wanted: Wanted,
        dialect: Dialect,
    ) -> Result<Self, ReadError> {
        let lines = LineReader::open(path, name, &wanted.ledger)?;
        let rows = Rows::new(lines, dialect);
        Ok(Self { rows, wanted, header: None, broken: false })
    }

    fn read_header(&mut self) -> Option<Result<Header, ReadError>> {
        let line = match self.rows.advance()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        Some(self.header_at(line))
    }

    fn header_at(&mut self, line: u64) -> Result<Header, ReadError> {
        if let Some(error) = self.rows.bad.take() {
            return Err(error);
        }
        let names: Vec<Arc<str>> = self
            .rows
            .fields()
            .map(|name| Arc::from(String::from_utf8_lossy(name).trim()))
            .collect();
        let mut seen = HashSet::new();
        // Several columns without a name are allowed, because spreadsheets leave empty columns at the end.
        let duplicate = names.iter().find(|name| {
            !seen.insert((*name).clone()) && (!name.is_empty() || self.wanted.keeps_all())
        });
        if let Some(name) = duplicate {
            let reason =
                format!("column `{name}` occurs twice in the header: rename or remove one of them");
            return Err(ReadError::Malformed { key: self.rows.lines.key_at(line), reason });
        }
        let text = names.iter().position(|name| *name == self.wanted.text);
        let mut others = Vec::new();
        for (place, name) in names.iter().enumerate() {
            if self.wanted.uses(name) {
                others.extend((Some(place) != text).then_some(place));
            } else {
                self.wanted.found_unused(name);
            }
        }
        Ok(Header { names, text, others })
    }

    /// The record on the line that was read last.
    fn record(&mut self, line: u64, header: &Header) -> Result<Record, ReadError> {
        let key = self.rows.lines.key_at(line);
        let (width, expected) = (self.rows.ends.len(), header.names.len());
        if width != expected {
            let advice = match self.rows.dialect {
                Dialect::Csv => "check the quotes and separators",
                Dialect::Tsv => {
                    "check the tabs; a tab or line end within quotes is not read in TSV: write such a table as CSV"
                }
            };
            // In another encoding the bytes of a character may look like separators, so a line that is not UTF-8 is
            // reported as that.
            if let Some(error) = self.rows.bad.take() {
                return Err(error);
            }
            let reason = format!("{width} fields where the header has {expected}: {advice}");
            return Err(ReadError::Malformed { key, reason });
        }
        let Some(text) = header.text else {
            let found = name_fields(header.names.iter().map(|name| &**name));
            return Err(ReadError::MissingField {
                key,
                field: self.wanted.text.to_string(),
                found,
            });
        };
        let (mut fields, mut whole) = (BTreeMap::new(), Vec::new());
        let document = self.rows.text_at(text)?.to_owned();
        for place in &header.others {
            let value = Field::Text(self.rows.text_at(*place)?.to_owned());
            fields.insert(header.names[*place].clone(), value);
        }
        for (place, name) in header.names.iter().enumerate() {
            if self.wanted.keeps(name) {
                whole.push(match place == text {
                    true => RawField::text(name.clone()),
                    false => {
                        let value = self.rows.text_at(place)?;
                        RawField::new(name, &Value::String(value.to_owned()).to_string())
                    }
                });
            }
        }
        self.wanted.put_text(&mut fields, document);
        self.wanted.ledger.add("read.unquoted_fields", self.rows.unquoted, Some(&key));
        self.wanted.ledger.add("read.ambiguous_quotes", self.rows.ambiguous, Some(&key));
        Ok(Record { number: line, fields, whole })
    }

    /// Whether the last record repeats the header after a byte order mark, which happens when files were concatenated.
    fn is_header_again(&self, header: &Header) -> bool {
        let names = header.names.iter().map(|name| name.as_bytes());
        self.rows.marked && self.rows.fields().map(<[u8]>::trim_ascii).eq(names)
    }
}

impl Reader for Csv {
    fn next(&mut self) -> Option<Result<Record, ReadError>> {
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
        let record = loop {
            let line = match self.rows.advance() {
                None => break None,
                Some(Err(error)) => break Some(Err(error)),
                Some(Ok(line)) => line,
            };
            if self.is_header_again(&header) {
                let key = self.rows.lines.key_at(line);
                self.wanted.ledger.add("read.repeated_headers", 1, Some(&key));
                continue;
            }
            break Some(self.record(line, &header));
        };
        self.header = Some(header);
        record
    }

    fn names(&self) -> Vec<String> {
        let names = self.header.iter().flat_map(|header| &header.names);
        names.map(|name| name.to_string()).collect()
    }
}

/// Splits lines into fields. A record is passed to the parser line by line, so that errors have an exact place, a
/// record has a bounded size, and a quote that is never closed is detected.
struct Rows {
    lines: LineReader,
    dialect: Dialect,
    parser: Parser,
    /// The bytes of all fields of the record, and the end of each field.
    content: Vec<u8>,
    ends: Vec<usize>,
    /// The error for the first byte of the record that is not UTF-8. It is returned only if the field is used.
    bad: Option<ReadError>,
    /// Whether the record began with a byte order mark.
    marked: bool,
    /// Whether all fields of the header of a TSV file are quoted; `None` before the header is read.
    all_quoted: Option<bool>,
    /// The number of fields of the record of a TSV file that were unquoted, and of those with quotes that may belong
    /// to the text.
    unquoted: u64,
    ambiguous: u64,
}

impl Rows {
    fn new(lines: LineReader, dialect: Dialect) -> Self {
        let parser = ReaderBuilder::new().terminator(Terminator::CRLF).build();
        let (content, ends) = (Vec::new(), Vec::new());
        let (bad, marked, all_quoted, unquoted, ambiguous) = (None, false, None, 0, 0);
        Self { lines, dialect, parser, content, ends, bad, marked, all_quoted, unquoted, ambiguous }
    }

    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).map(|place| self.field(place))
    }

    fn field(&self, place: usize) -> &[u8] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        self.content.get(start..self.ends[place]).unwrap_or_default()
    }

    /// The text of a field. Only used fields are checked for UTF-8.
    fn text_at(&mut self, place: usize) -> Result<&str, ReadError> {
        let bad =
            if std::str::from_utf8(self.field(place)).is_err() { self.bad.take() } else { None };
        if let Some(error) = bad {
            return Err(error);
        }
        // If no byte of the lines is invalid, the field is UTF-8, because quotes and separators are ASCII.
        Ok(std::str::from_utf8(self.field(place)).unwrap_or_default())
    }

    /// Reads the next record, skipping blank lines, and returns the number of its first line.
    fn advance(&mut self) -> Option<Result<u64, ReadError>> {
        loop {
            let first = match self.lines.advance()? {
                Ok(first) => first,
                Err(error) => return Some(Err(error)),
            };
            if self.lines.bytes().is_empty() {
                continue;
            }
            self.bad = self.lines.text().err();
            self.marked = self.lines.is_marked();
            let read = match self.dialect {
                Dialect::Csv => self.quoted(first),
                Dialect::Tsv => self.plain(first),
            };
            return Some(read.map(|()| first));
        }
    }

    fn plain(&mut self, first: u64) -> Result<(), ReadError> {
        self.content.clear();
        self.ends.clear();
        (self.unquoted, self.ambiguous) = (0, 0);
        let fields = || self.lines.bytes().split(|byte| *byte == b'\t');
        let is_alone = memchr(b'\t', self.lines.bytes()).is_none();
        let all_quoted =
            *self.all_quoted.get_or_insert_with(|| fields().all(|field| within(field).is_some()));
        for field in fields() {
            match within(field) {
                None => {
                    self.content.extend_from_slice(field);
                    let quotes = field.iter().filter(|byte| **byte == b'"').count();
                    let ends = field.starts_with(b"\"") || field.ends_with(b"\"");
                    self.ambiguous += u64::from(is_alone && ends && quotes % 2 == 1);
                }
                Some((inner, pairs)) if pairs || inner.is_empty() || all_quoted => {
                    unquote(inner, &mut self.content);
                    self.unquoted += 1;
                }
                Some(_) => {
                    self.content.extend_from_slice(field);
                    self.ambiguous += 1;
                }
            }
            self.ends.push(self.content.len());
            if self.ends.len() > MAX_FIELDS {
                return Err(self.too_many_fields(first));
            }
        }
        Ok(())
    }

    fn too_many_fields(&self, first: u64) -> ReadError {
        let reason = format!("more than {MAX_FIELDS} fields: check the quotes and separators");
        ReadError::Malformed { key: self.lines.key_at(first), reason }
    }

    fn quoted(&mut self, first: u64) -> Result<(), ReadError> {
        let (mut length, mut count, mut fed) = (0, 0, 0);
        loop {
            // A line end within quotes is part of the value. It is CR if the line ended in CR alone, otherwise LF.
            let end: &[u8] = if self.lines.ended_in_cr() { b"\r" } else { b"\n" };
            fed += self.lines.bytes().len() + 1;
            if fed as u64 > MAX_RECORD_BYTES {
                let key = self.lines.key_at(first);
                return Err(ReadError::TooLong { key, limit: MAX_RECORD_BYTES });
            }
            // An unquoted value is never longer than the quoted one.
            self.content.resize(self.content.len().max(fed), 0);
            let mut done = false;
            for mut input in [self.lines.bytes(), end] {
                while !input.is_empty() && !done {
                    self.ends.resize(self.ends.len().max(count + 16), 0);
                    let (result, used, written, ended) = self.parser.read_record(
                        input,
                        &mut self.content[length..],
                        &mut self.ends[count..],
                    );
                    input = &input[used..];
                    (length, count) = (length + written, count + ended);
                    done = matches!(result, ReadRecordResult::Record | ReadRecordResult::End);
                    if count > MAX_FIELDS {
                        self.parser.reset();
                        return Err(self.too_many_fields(first));
                    }
                }
            }
            if done {
                break;
            }
            match self.lines.advance() {
                Some(Ok(_)) => {
                    if self.bad.is_none() {
                        self.bad = self.lines.text().err();
                    }
                }
                Some(Err(error)) => return Err(error),
                None => {
                    let reason = "a quote opened here is never closed: double a quote that is data";
                    let key = self.lines.key_at(first);
                    return Err(ReadError::Malformed { key, reason: reason.to_owned() });
                }
            }
        }
        self.content.truncate(length);
        self.ends.truncate(count);
        Ok(())
    }
}

/// The text between the quotes at both ends of a field, and whether it contains doubled quotes. `None` if the field is
/// not quoted, or contains a single quote inside.
fn within(field: &[u8]) -> Option<(&[u8], bool)> {
    let inner = field.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let (mut rest, mut pairs) = (inner, false);
    while let Some(at) = memchr(b'"', rest) {
        rest = rest[at + 1..].strip_prefix(b"\"")?;
        pairs = true;
    }
    Some((inner, pairs))
}

/// Appends `inner` to `content`, with one quote for each doubled quote.
fn unquote(mut inner: &[u8], content: &mut Vec<u8>) {
    while let Some(at) = memchr(b'"', inner) {
        content.extend_from_slice(&inner[..=at]);
        inner = inner.get(at + 2..).unwrap_or_default();
    }
    content.extend_from_slice(inner);
}
