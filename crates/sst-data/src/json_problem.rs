//! Describes the error of a JSON file.

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::{Map, Value};

/// The rest of a sentence that begins with the name of a file that is not valid JSON: whether the file is cut off,
/// where, and what to do. An error in the contents of valid JSON is described as serde does.
pub fn json_problem(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Eof => "is cut off",
        Category::Syntax => "is not JSON",
        Category::Data | Category::Io => return error.to_string(),
    };
    format!("{what} ({error}): copy or download this file again")
}

/// What is wrong with a JSON object that `T` refuses with `error`: the key at fault if it is one, and a sentence, which
/// then begins with the key.
pub fn config_problem<T: DeserializeOwned>(
    config: &Value,
    error: &serde_json::Error,
) -> (Option<String>, String) {
    let is_at_fault = |key: &str, value: &Value| {
        let alone = Map::from_iter([(key.to_owned(), value.clone())]);
        let parsed = T::deserialize(&Value::Object(alone));
        // A key that is missing is no fault of the one that is there.
        parsed.is_err_and(|error| !error.to_string().starts_with("missing field"))
    };
    let said = error.to_string();
    let whole = ["missing field", "unknown field"].iter().any(|start| said.starts_with(start));
    let mut values = config.as_object().into_iter().flatten();
    let fault = values.find(|(key, value)| !whole && is_at_fault(key, value));
    let (Some((key, value)), Some((_, expected))) = (fault, said.rsplit_once(", expected ")) else {
        return (None, said);
    };
    let expected = match expected {
        "f64" | "f32" => "a number",
        "usize" | "u64" | "u32" => "a whole number from 0",
        "a boolean" => "true or false",
        "a string" => "text in quotes",
        "a sequence" => "a list",
        other => other,
    };
    (Some(key.clone()), format!("{key} is {value} and must be {expected}"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_that_is_cut_off_is_told_from_one_that_is_no_json() {
        let check = |text: &str, start: &str| {
            let problem = json_problem(&serde_json::from_str::<Value>(text).unwrap_err());
            assert!(
                problem.starts_with(start) && problem.ends_with("this file again"),
                "{problem}"
            );
        };
        check("{\"a\": 1,\n", "is cut off (EOF while parsing a value at line 2 column 0)");
        check("", "is cut off (EOF while parsing a value at line 1 column 0)");
        check("<html>", "is not JSON (expected value at line 1 column 1)");
        let error = serde_json::from_str::<u8>("\"a\"").unwrap_err();
        assert_eq!(json_problem(&error), error.to_string());
    }

    #[test]
    fn a_value_of_a_wrong_type_is_told_with_its_key() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only parsed")]
        struct Config {
            name: String,
            #[serde(default)]
            rate: f64,
        }
        let check = |config: Value, key: Option<&str>, expected: &str| {
            let error = Config::deserialize(&config).unwrap_err();
            let (found, sentence) = config_problem::<Config>(&config, &error);
            assert_eq!((found.as_deref(), &*sentence), (key, expected));
        };
        let rate = "rate is \"x\" and must be a number";
        check(json!({"name": "a", "rate": "x"}), Some("rate"), rate);
        check(json!({"name": 1}), Some("name"), "name is 1 and must be text in quotes");
        check(json!({}), None, "missing field `name`");
    }
}
