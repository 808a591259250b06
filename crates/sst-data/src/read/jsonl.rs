//! Reads JSON lines: one object a line, as the `datasets` library writes them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::ReadError;
use super::error::name_fields;
use super::json::{Fields, JsonError, Member};
use super::json_text::{self, StringError, kind_of};
use super::limits::MAX_FIELDS;
use super::lines::LineReader;
use super::record::{RawField, Reader, Record, Wanted};
use crate::example::{Field, Key};

/// A reader of one object a line. Used fields that are strings, integers (true and false count as 1 and 0) or
/// floating-point numbers are returned; arrays, objects and nulls are not.
pub(super) struct Jsonl {
    lines: LineReader,
    wanted: Wanted,
}

impl Jsonl {
    /// Opens `path`, called `name` in errors.
    pub(super) fn open(path: &Path, name: Arc<str>, wanted: Wanted) -> Result<Self, ReadError> {
        Ok(Self { lines: LineReader::open(path, name, &wanted.ledger)?, wanted })
    }
}

impl Reader for Jsonl {
    fn next(&mut self) -> Option<Result<Record, ReadError>> {
        loop {
            let number = match self.lines.advance()? {
                Ok(_) if self.lines.bytes().trim_ascii().is_empty() => continue,
                Ok(number) => number,
                Err(error) => return Some(Err(error)),
            };
            return Some(record(&self.lines, number, &mut self.wanted));
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        if let Ok(mut fields) = Fields::of(self.lines.bytes()) {
            while let Ok(Some(member)) = fields.next() {
                names.push(json_text::name(member.name).into_owned());
            }
        }
        names
    }
}

fn malformed(key: Key, reason: impl Into<String>) -> ReadError {
    ReadError::Malformed { key, reason: reason.into() }
}

/// The record on the line that was read last.
fn record(lines: &LineReader, number: u64, wanted: &mut Wanted) -> Result<Record, ReadError> {
    let line = lines.bytes();
    let key = || lines.key_at(number);
    let mut members = Fields::of(line).map_err(|first| no_object(lines, key(), first))?;
    let (mut fields, mut whole) = (BTreeMap::new(), Vec::new());
    let mut text = None;
    let mut names = Names::default();
    loop {
        let member = match members.next() {
            Ok(Some(member)) => member,
            Ok(None) => break,
            // Text in another encoding is not JSON either, and the error about the encoding is more helpful.
            Err(error) => {
                lines.text()?;
                return Err(malformed(key(), explain(&error, line)));
            }
        };
        let name = json_text::name(member.name);
        if !names.insert(name.clone()) {
            let reason = format!("the key `{name}` occurs twice in the object: remove one of them");
            return Err(malformed(key(), reason));
        }
        if names.list.len() > MAX_FIELDS {
            let reason = format!("the object has more than {MAX_FIELDS} fields: is it one record?");
            return Err(malformed(key(), reason));
        }
        let is_text = *name == *wanted.text;
        if is_text || wanted.uses(&name) {
            match value(&member, &name, lines, number)? {
                Some(Field::Text(found)) if is_text => text = Some(found),
                _ if is_text => {
                    let (field, found) = (name.into_owned(), kind_of(member.value).to_owned());
                    return Err(ReadError::NotText { key: key(), field, found });
                }
                Some(field) => {
                    fields.insert(Arc::from(&*name), field);
                }
                None => {}
            }
        } else {
            wanted.found_unused(&name);
        }
        if wanted.keeps(&name) {
            whole.push(raw(&member, &name, is_text, lines)?);
        }
    }
    let Some(text) = text else {
        lines.text()?;
        let found = name_fields(names.list.iter().map(|name| &**name));
        return Err(ReadError::MissingField { key: key(), field: wanted.text.to_string(), found });
    };
    wanted.put_text(&mut fields, text);
    Ok(Record { number, fields, whole })
}

/// The names of the fields of an object that were read so far.
#[derive(Default)]
struct Names<'a> {
    list: Vec<Cow<'a, str>>,
    /// The same names in a set, once there are too many to compare with each.
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    const FEW: usize = 24;

    /// Adds a name and returns whether it is new.
    fn insert(&mut self, name: Cow<'a, str>) -> bool {
        if self.list.len() == Self::FEW {
            self.many = self.list.iter().cloned().collect();
        }
        let new = match self.list.len() < Self::FEW {
            true => !self.list.contains(&name),
            false => self.many.insert(name.clone()),
        };
        self.list.push(name);
        new
    }
}

/// The value of a used field; `None` for a null, an array or an object.
fn value(
    member: &Member<'_>,
    name: &str,
    lines: &LineReader,
    number: u64,
) -> Result<Option<Field>, ReadError> {
    let raw = member.value;
    if raw.first() != Some(&b'"') {
        return Ok(json_text::scalar(raw));
    }
    match json_text::string(raw) {
        Ok(text) => Ok(Some(Field::Text(text.into_owned()))),
        Err(StringError::InvalidUtf8(byte)) => Err(lines.invalid_utf8(member.at + byte)),
        Err(StringError::LoneSurrogate(escape)) => {
            let reason = json_text::explain_surrogate(name, &escape);
            Err(malformed(lines.key_at(number), reason))
        }
    }
}

/// A field as it is written in the file. It is an error if its bytes are not UTF-8, because it could not be written
/// again.
fn raw(
    member: &Member<'_>,
    name: &str,
    is_text: bool,
    lines: &LineReader,
) -> Result<RawField, ReadError> {
    let name: Arc<str> = Arc::from(name);
    if is_text {
        return Ok(RawField::text(name));
    }
    let utf8 = |bytes| std::str::from_utf8(bytes).map_err(|error| error.valid_up_to());
    match (utf8(member.name), utf8(member.value)) {
        (Ok(written), Ok(value)) => {
            Ok(RawField { name, json: format!("{written}:{value}"), is_text })
        }
        (_, Err(byte)) => Err(lines.invalid_utf8(member.at + byte)),
        (Err(_), _) => Err(lines.invalid_utf8(valid_up_to(lines.bytes()))),
    }
}

fn valid_up_to(bytes: &[u8]) -> usize {
    std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len)
}

const ARRAY: &str = "a JSON array, not an object: write one object a line, e.g. with `jq -c '.[]' FILE > FILE.jsonl`";

/// The error for a line that does not begin with an object.
fn no_object(lines: &LineReader, key: Key, first: Option<u8>) -> ReadError {
    let line = lines.bytes();
    match first {
        Some(b'[') => malformed(key, ARRAY),
        _ if lines.text().is_err() => lines.invalid_utf8(valid_up_to(line)),
        Some(b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9' | b'N' | b'I') => {
            let found = kind_of(line.trim_ascii());
            malformed(key, format!("{found}, not an object: write one object a line"))
        }
        _ => malformed(key, "not valid JSON (expected value, column 1): write one object a line"),
    }
}

/// Describes the error of a line and what to do.
fn explain(error: &JsonError, line: &[u8]) -> String {
    let what = error.what;
    if error.at >= line.len() {
        return format!(
            "not valid JSON ({what}): write one object a line; objects over several lines become such with \
             `jq -c . FILE > FILE.jsonl`"
        );
    }
    format!("not valid JSON ({what}, column {}): write one object a line", error.at + 1)
}
