//! Deserializes a section; errors name the key.

use serde::Deserializer;
use serde::de::{DeserializeOwned, Error, Visitor};
use serde_json::{Map, Value};

use super::error::Problem;
use super::nearest::unknown_key;

/// Deserializes `value`, which stands under the key `prefix`.
pub(crate) fn parse<T: DeserializeOwned>(prefix: &str, value: &Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| problem(prefix, &error.path().to_string(), &error.inner().to_string()))
}

/// Turns serde's `message` on `path` below `prefix` into a problem with a key.
pub(crate) fn problem(prefix: &str, path: &str, message: &str) -> Problem {
    let key = join(prefix, path.trim_matches('.'));
    if let Some((name, known)) = unknown_field(message) {
        // Depending on the type, serde reports the error for the section or for the key.
        let is_of_key =
            key.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let key = if is_of_key { key } else { join(&key, name) };
        return Problem::sentence(&key, unknown_key(&key, &known));
    }
    Problem::new(&key, friendly(message))
}

/// Reads the keys of section `prefix` that `T` has, and removes them from `table`. `others` are the keys that other
/// types read from the same section; a key that is in neither is refused.
pub(crate) fn take<T: DeserializeOwned>(
    prefix: &str,
    table: &mut Map<String, Value>,
    others: &[&str],
) -> Result<T, Problem> {
    let known = keys::<T>();
    if let Some(name) = table.keys().find(|name| ![known, others].concat().contains(&name.as_str()))
    {
        let key = join(prefix, name);
        return Err(Problem::sentence(&key, unknown_key(&key, &[others, known].concat())));
    }
    let (taken, rest) =
        std::mem::take(table).into_iter().partition(|(name, _)| known.contains(&name.as_str()));
    *table = rest;
    parse(prefix, &Value::Object(taken))
}

/// The field names of the struct `T`.
pub(crate) fn keys<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut found: &'static [&'static str] = &[];
    // The struct requests its fields, and then gets an error instead of values.
    let _ = T::deserialize(FieldNames(&mut found));
    found
}

/// A deserializer that only records the field names that a struct requests.
struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(Self::Error::custom("nothing is read"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Refuses keys of `given` that are not in `known`, and values of another type than in `known`.
pub(crate) fn check_against(
    prefix: &str,
    given: &Map<String, Value>,
    known: &Value,
) -> Result<(), Problem> {
    for (name, value) in given {
        let key = join(prefix, name);
        let Some(default) = known.get(name) else {
            let names: Vec<&str> =
                known.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
            return Err(Problem::sentence(&key, unknown_key(&key, &names)));
        };
        let (have, want) = (kind(value), kind(default));
        // An integer is accepted for a real number, and a null default accepts any type. A number that is worked out
        // unless it is written has the default "auto".
        let is_auto = default == "auto" && value.is_number();
        let fits =
            have == want || default.is_null() || (value.is_i64() && default.is_f64()) || is_auto;
        if !fits {
            return Err(Problem::new(&key, format!("is {}; expected {want}", shown(value))));
        }
    }
    Ok(())
}

/// Joins `prefix.name`; returns `name` if the prefix is empty.
pub(crate) fn join(prefix: &str, name: &str) -> String {
    match (prefix, name) {
        ("", name) => name.to_owned(),
        (prefix, "") => prefix.to_owned(),
        (prefix, name) => format!("{prefix}.{name}"),
    }
}

/// Returns `table` without `keys`.
pub(crate) fn without(table: &Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
    let kept = table.iter().filter(|(key, _)| !keys.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "a whole number",
        Value::String(_) => "text in quotes",
        Value::Array(_) => "a list",
        Value::Object(_) => "a section",
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "a section".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => format!("the text \"{text}\""),
        other => other.to_string(),
    }
}

/// Extracts the name and the known names from serde's ``unknown field `a`, expected one of `b`, `c` ``.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut names = rest.split('`').skip(1).step_by(2);
    Some((names.next()?, names.collect()))
}

/// Rewrites serde's message on a wrong type in the terms of a recipe.
fn friendly(message: &str) -> String {
    let words = [
        ("invalid type: string ", "is the text "),
        ("invalid type: integer ", "is "),
        ("invalid type: floating point ", "is "),
        ("invalid type: boolean ", "is "),
        ("invalid type: sequence", "is a list"),
        ("invalid type: map", "is a section"),
        ("invalid type: null", "is nothing"),
        ("invalid value: ", "is "),
        ("invalid length ", "has length "),
        ("unknown variant ", "is "),
    ];
    let mut text = message.replace('`', "");
    for (from, to) in words {
        text = text.replace(from, to);
    }
    let types = [
        ("a boolean", "true or false"),
        ("a sequence", "a list"),
        ("a map", "a section"),
        ("a string", "text in quotes"),
        ("string or map", "one of its names in quotes"),
        ("usize", "a whole number from 0"),
        ("u64", "a whole number from 0"),
        ("u32", "a whole number from 0"),
        ("i64", "a whole number"),
        ("f64", "a number"),
    ];
    let Some((said, expected)) = text.rsplit_once(", expected ") else { return text };
    let found = types.iter().find(|(from, _)| *from == expected).map(|(_, to)| *to);
    let expected = match found {
        Some(words) => words.to_owned(),
        None if expected.starts_with("struct ") => "a section".to_owned(),
        None => expected.replace(" strings", "").replace("an array", "a list"),
    };
    format!("{said}; expected {expected}")
}
