//! Suggests the key or name that was most likely meant.

use serde_json::Value;

use super::error::Problem;

/// Names that are less similar than this are not suggested; 1 means equality.
const ALIKE: f64 = 0.6;

/// The most similar name in `known`, if one is similar enough.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `unknown key data.mask_lenght; did you mean max_length?`, or what there is instead.
pub(crate) fn unknown_key(key: &str, known: &[&str]) -> String {
    let name = key.rsplit('.').next().unwrap_or(key);
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("unknown key {key}; did you mean {near}?"),
        None => format!("unknown key {key}; there are {}", known.join(", ")),
    }
}

/// Reads the string under `key`, which must be one of the `known` names.
pub(super) fn name<'a>(
    key: &str,
    value: &Value,
    known: impl Iterator<Item = &'a str>,
) -> Result<String, Problem> {
    value.as_str().map(str::to_owned).ok_or_else(|| {
        let all: Vec<&str> = known.collect();
        Problem::new(key, format!("expected one of {} in quotes", all.join(", ")))
    })
}

/// The problem for a name that is not in `known`.
pub(super) fn unknown_name<'a>(
    key: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Problem {
    let known: Vec<&str> = known.collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => {
            Problem::new(key, format!("there is no \"{name}\"; did you mean \"{near}\"?"))
        }
        None => Problem::new(key, format!("there is no \"{name}\"; sst has {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_or_none() {
        let known = ["max_length", "text_field", "workers"];
        let check = |name, expected| assert_eq!(nearest(name, known), expected, "{name}");
        check("mask_lenght", Some("max_length"));
        check("worker", Some("workers"));
        check("textfield", Some("text_field"));
        check("zebra", None);
    }
}
