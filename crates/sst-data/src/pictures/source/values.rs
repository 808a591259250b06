//! The values that stand beside a picture: captions and labels.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::super::PictureProblem;

fn problem(field: &str, reason: impl Into<String>) -> PictureProblem {
    PictureProblem::Field { field: field.to_owned(), reason: reason.into() }
}

/// The problem that a record has no field of this name, but those of `fields`.
pub(super) fn missing<'f>(field: &str, fields: impl Iterator<Item = &'f str>) -> PictureProblem {
    let names: Vec<String> = fields.map(|name| format!("`{name}`")).collect();
    let reason = match &names[..] {
        [] => "is missing: add it, or name another field".to_owned(),
        names => format!("is missing (the record has {}): name the right one", names.join(", ")),
    };
    problem(field, reason)
}

/// The captions in each of `fields` of a record. Of several fields, some may have none.
pub(super) fn captions<K: AsRef<str> + Ord + Borrow<str>>(
    fields: &[String],
    record: &BTreeMap<K, Value>,
) -> Result<Vec<Vec<String>>, PictureProblem> {
    let get = |field: &str| record.get(field);
    let is_absent = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.iter().all(is_blank),
        Some(value) => is_blank(value),
    };
    let are_all_absent = fields.iter().all(|field| is_absent(get(field)));
    let of_field = |field: &String| match get(field) {
        value if !are_all_absent && is_absent(value) => Ok(Vec::new()),
        Some(value) => of_field(field, value),
        None => Err(missing(field, record.keys().map(AsRef::as_ref))),
    };
    fields.iter().map(of_field).collect()
}

/// Whether a value stands for no caption.
fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// The captions in `value`: a text, or a list of texts, of which training draws one each time.
fn of_field(field: &str, value: &Value) -> Result<Vec<String>, PictureProblem> {
    let one = |value: &Value| match value {
        Value::String(text) if text.trim().is_empty() => {
            Err(problem(field, "is empty: fill it in, or remove the record"))
        }
        Value::String(text) => Ok(text.clone()),
        Value::Null => Err(problem(field, "has no value: fill it in, or remove the record")),
        _ => Err(problem(field, "holds neither a text nor a list of texts: choose another field")),
    };
    match value {
        Value::Array(list) if list.is_empty() => {
            Err(problem(field, "is an empty list: fill it in, or remove the record"))
        }
        // Of several captions, blank ones are none.
        Value::Array(list) if !list.iter().all(is_blank) => {
            list.iter().filter(|value| !is_blank(value)).map(one).collect()
        }
        Value::Array(list) => list.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

/// The label in `field` of a record: a text, a whole number, or true or false.
pub(super) fn label<K: AsRef<str> + Ord + Borrow<str>>(
    field: &str,
    record: &BTreeMap<K, Value>,
) -> Result<String, PictureProblem> {
    match record.get(field) {
        None => Err(missing(field, record.keys().map(AsRef::as_ref))),
        Some(Value::Null) => Err(problem(field, "has no label: fill it in, or remove the record")),
        Some(Value::String(text)) if text.trim().is_empty() => {
            Err(problem(field, "is empty: fill it in, or remove the record"))
        }
        Some(Value::String(text)) => Ok(text.trim().to_owned()),
        Some(Value::Number(number)) if !number.is_f64() => Ok(number.to_string()),
        Some(Value::Bool(value)) => Ok(value.to_string()),
        Some(_) => {
            Err(problem(field, "is neither a text nor a whole number: choose another field"))
        }
    }
}
