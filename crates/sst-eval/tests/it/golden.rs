//! Reads the golden files of metrics.

use std::path::Path;

use serde_json::Value;

/// A part of `tests/goldens/NAME/case.json`.
pub(crate) fn golden(name: &str, part: &str) -> Value {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens");
    let text = std::fs::read_to_string(goldens.join(name).join("case.json")).unwrap();
    let part = serde_json::from_str::<Value>(&text).unwrap()[part].take();
    assert!(!part.is_null(), "the golden file has no such part");
    part
}

pub(crate) fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    array(value).iter().map(number).collect()
}

pub(crate) fn integers(value: &Value) -> Vec<i64> {
    array(value).iter().map(|value| value.as_i64().unwrap()).collect()
}

pub(crate) fn truths(value: &Value) -> Vec<bool> {
    array(value).iter().map(|value| value.as_bool().unwrap()).collect()
}

pub(crate) fn texts(value: &Value) -> Vec<&str> {
    array(value).iter().map(|value| value.as_str().unwrap()).collect()
}

pub(crate) fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

pub(crate) fn close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{what}: {got} is not {want}");
}
