//! JSON lines: one object a line, as the `datasets` library writes them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::name_fields;
use super::lines::LineReader;
use super::{ReadError, Record, TEXT};
use crate::example::{Field, Key};

/// One object a line. Scalar fields are kept: strings, integers (true and false as 1 and 0) and
/// reals; arrays, objects and nulls are not.
pub(super) struct Jsonl {
    lines: LineReader,
    text_field: String,
}

impl Jsonl {
    /// Opens `path`, called `name` in errors, for the text in `text_field`.
    pub(super) fn open(path: &Path, name: Arc<str>, text_field: &str) -> Result<Self, ReadError> {
        Ok(Self { lines: LineReader::open(path, name)?, text_field: text_field.to_owned() })
    }
}

impl Iterator for Jsonl {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (number, parsed) = match self.lines.next_line()? {
                Ok((_, line)) if line.trim().is_empty() => continue,
                Ok((number, line)) => (number, parse(line)),
                Err(error) => return Some(Err(error)),
            };
            let key = self.lines.key_at(number);
            return Some(match parsed {
                Ok(object) => fields(key, object, &self.text_field).map(|fields| (number, fields)),
                Err(reason) => Err(ReadError::Malformed { key, reason }),
            });
        }
    }
}

/// The object on a line, or why there is none.
fn parse(line: &str) -> Result<Map<String, Value>, String> {
    // serde_json counts lines too, but there is only this one.
    let column = |error: serde_json::Error| {
        let said = error.to_string();
        let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
        format!("not valid JSON ({what}, column {}): write one object a line", error.column())
    };
    let array = "a JSON array, not an object: write one object a line, e.g. with `jq -c '.[]'`";
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::Array(_)) => Err(array.to_owned()),
        Ok(other) => Err(format!("{}, not an object: write one object a line", type_of(&other))),
        Err(_) if line.trim() == "[" => Err(array.to_owned()),
        Err(error) => Err(column(error)),
    }
}

fn fields(
    key: Key,
    mut object: Map<String, Value>,
    text_field: &str,
) -> Result<BTreeMap<Arc<str>, Field>, ReadError> {
    let text = match object.remove(text_field) {
        Some(Value::String(text)) => text,
        Some(other) => {
            let (field, found) = (text_field.to_owned(), type_of(&other).to_owned());
            return Err(ReadError::NotText { key, field, found });
        }
        None => {
            let found = name_fields(object.keys().map(String::as_str));
            return Err(ReadError::MissingField { key, field: text_field.to_owned(), found });
        }
    };
    let mut fields: BTreeMap<Arc<str>, Field> = object
        .into_iter()
        .filter_map(|(name, value)| Some((Arc::from(name), scalar(value)?)))
        .collect();
    fields.insert(Arc::from(TEXT), Field::Text(text));
    Ok(fields)
}

fn scalar(value: Value) -> Option<Field> {
    match value {
        Value::String(text) => Some(Field::Text(text)),
        Value::Bool(flag) => Some(Field::Int(i64::from(flag))),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Some(Field::Int(integer)),
            None => number.as_f64().map(Field::Float),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
