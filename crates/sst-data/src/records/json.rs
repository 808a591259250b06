//! Converts JSON values to labels, and names their kinds in messages.

use serde_json::Value;

/// A label as text, without white space around it.
pub(super) fn label(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) if text.trim().is_empty() => {
            Err("is an empty label: fill it in, or remove the record".to_owned())
        }
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        Value::Number(number) => Err(format!(
            "is {number}, a real number, where a label is needed: write labels as texts or integers"
        )),
        other => Err(format!("is {}, not a label: choose another field", kind_of(other))),
    }
}

/// The kind of a JSON value, with its article.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
