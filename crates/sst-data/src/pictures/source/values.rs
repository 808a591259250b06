//! The values that stand beside a picture: captions and labels.

use serde_json::Value;

use super::super::PictureProblem;

fn problem(field: &str, reason: impl Into<String>) -> PictureProblem {
    PictureProblem::Field { field: field.to_owned(), reason: reason.into() }
}

/// The captions in each of `fields`, whose values `get` returns. Of several fields, some may have none.
pub(super) fn captions<'v>(
    fields: &[String],
    get: impl Fn(&str) -> Option<&'v Value>,
) -> Result<Vec<Vec<String>>, PictureProblem> {
    let is_absent = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.iter().all(is_blank),
        Some(value) => is_blank(value),
    };
    let are_all_absent = fields.iter().all(|field| is_absent(get(field)));
    let of_field = |field: &String| match get(field) {
        value if !are_all_absent && is_absent(value) => Ok(Vec::new()),
        value => of_field(field, value),
    };
    fields.iter().map(of_field).collect()
}

/// Whether a value stands for no caption.
fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// The captions in `value`: a text, or a list of texts, of which training draws one each time.
fn of_field(field: &str, value: Option<&Value>) -> Result<Vec<String>, PictureProblem> {
    let one = |value: &Value| match value {
        Value::String(text) if text.trim().is_empty() => {
            Err(problem(field, "is empty: fill it in, or remove the record"))
        }
        Value::String(text) => Ok(text.clone()),
        Value::Null => Err(problem(field, "has no value: fill it in, or remove the record")),
        _ => Err(problem(field, "holds neither a text nor a list of texts: choose another field")),
    };
    match value {
        None => Err(problem(field, "is missing: add it, or choose another field")),
        Some(Value::Array(list)) if list.is_empty() => {
            Err(problem(field, "is an empty list: fill it in, or remove the record"))
        }
        // Of several captions, blank ones are none.
        Some(Value::Array(list)) if !list.iter().all(is_blank) => {
            list.iter().filter(|value| !is_blank(value)).map(one).collect()
        }
        Some(Value::Array(list)) => list.iter().map(one).collect(),
        Some(value) => Ok(vec![one(value)?]),
    }
}

/// The label in `value`: a text, a whole number, or true or false.
pub(super) fn label(field: &str, value: Option<&Value>) -> Result<String, PictureProblem> {
    match value {
        None | Some(Value::Null) => {
            Err(problem(field, "has no label: fill it in, or remove the record"))
        }
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
