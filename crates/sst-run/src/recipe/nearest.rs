//! The key that was most likely meant.

/// Names less alike than this are not offered; 1 is equality.
const ALIKE: f64 = 0.6;

/// The one of `known` that looks most like `name`, if one looks like it at all.
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
