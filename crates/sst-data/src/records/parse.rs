//! Parses the value of a field in a file as the kind of its column.

use serde_json::{Map, Value};

use super::json::{kind_of, label};
use super::spans::{self, RawSpan, SpanError};
use super::{Column, ColumnError, ColumnKind};
use crate::example::Key;
use crate::read::RawField;

/// A parsed value whose labels have no numbers yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Parsed {
    Text(String),
    Label(String),
    Labels(Vec<String>),
    Number(f64),
    Spans(Vec<RawSpan>),
}

impl Parsed {
    /// The text, if the value is a text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Parses the value of `column`, whose field in the record is `raw`. `text` is the text of the record's text field,
/// which the reader returns separately.
pub(super) fn parse(
    key: &Key,
    column: &Column,
    raw: Option<&RawField>,
    text: &str,
) -> Result<Parsed, ColumnError> {
    let (field, setting) = (|| column.field.clone(), column.setting());
    let no_field = || ColumnError::NoField {
        key: key.clone(),
        field: field(),
        found: String::new(),
        advice: "choose another field",
        setting,
    };
    let value = match raw.ok_or_else(no_field)? {
        raw if raw.is_text => Value::String(text.to_owned()),
        raw => json(raw).map_err(|reason| bad(key, column, reason))?,
    };
    if value.is_null() {
        return Err(ColumnError::Missing { key: key.clone(), field: field(), setting });
    }
    let parsed = match &column.kind {
        ColumnKind::Text | ColumnKind::SecondText { .. } => match value {
            Value::String(text) if text.trim().is_empty() => {
                return Err(ColumnError::EmptyText { key: key.clone(), field: field() });
            }
            Value::String(text) => Ok(Parsed::Text(text)),
            other => Err(format!("is {}, not a text: choose another field", kind_of(&other))),
        },
        ColumnKind::Label => label(&value).map(Parsed::Label),
        ColumnKind::Labels => list(value).and_then(|values| {
            let labels = values.iter().map(label).collect::<Result<Vec<_>, _>>();
            labels.map(Parsed::Labels)
        }),
        ColumnKind::Number => number(&value).map(Parsed::Number),
        ColumnKind::Spans { .. } | ColumnKind::Entities { .. } => {
            let value = from_text(value);
            let spans = match &column.kind {
                ColumnKind::Entities { .. } => spans::parse_entities(&value),
                _ => spans::parse(&value),
            };
            return spans.map(Parsed::Spans).map_err(|error| bad_span(key, column, error));
        }
    };
    parsed.map_err(|reason| bad(key, column, reason))
}

/// The error for a value that is not of the column's kind.
pub(super) fn bad(key: &Key, column: &Column, reason: String) -> ColumnError {
    let (field, setting) = (column.field.clone(), column.setting());
    ColumnError::BadValue { key: key.clone(), field, reason, setting }
}

/// The error for spans that are not valid.
pub(super) fn bad_span(key: &Key, column: &Column, error: SpanError) -> ColumnError {
    let (key, field) = (key.clone(), column.field.clone());
    match error {
        SpanError::Bad(reason) => {
            ColumnError::BadValue { key, field, reason, setting: column.setting() }
        }
        SpanError::Misplaced(reason) => ColumnError::MisplacedSpan { key, field, reason },
        SpanError::Overlapping(reason) => ColumnError::OverlappingEntities { key, field, reason },
    }
}

fn json(raw: &RawField) -> Result<Value, String> {
    let object: Result<Map<String, Value>, _> = serde_json::from_str(&format!("{{{}}}", raw.json));
    let unreadable = |error| format!("cannot be read ({error}): write it as plain JSON");
    let object = object.map_err(unreadable)?;
    Ok(object.into_iter().next().map_or(Value::Null, |(_, value)| value))
}

/// Parses a list or an object, which in CSV and TSV is JSON within a text.
fn from_text(value: Value) -> Value {
    match &value {
        Value::String(text) => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    }
}

fn list(value: Value) -> Result<Vec<Value>, String> {
    match from_text(value) {
        Value::Array(values) => Ok(values),
        other => Err(format!(
            "is {}, not a list of labels: write a list, in CSV and TSV as JSON such as [\"a\", \"b\"]",
            kind_of(&other)
        )),
    }
}

fn number(value: &Value) -> Result<f64, String> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        other => return Err(format!("is {}, not a number: choose another field", kind_of(other))),
    };
    let refused = || format!("is {value}, not a finite number: put it right");
    number.filter(|number: &f64| number.is_finite()).ok_or_else(refused)
}
