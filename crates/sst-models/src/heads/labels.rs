//! The classes of a task head, as config.json names them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sst_core::ProblemType;

use super::classifier;
use crate::error::{ModelError, bad};

/// Keys of a config.json that describe a task head. They are saved again unchanged.
pub(crate) const KEYS: &[&str] =
    &["id2label", "label2id", "num_labels", "problem_type", "classifier_dropout", classifier::KEY];

/// Whether the caller removes the key of a task head from a config.json, by the value null.
pub(crate) fn is_removed(key: &str, value: &Value) -> bool {
    value.is_null() && KEYS.contains(&key)
}

/// The classes of a task head: the keys `id2label` (or `num_labels`) and `problem_type` of a config.json.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The name of each class.
    pub names: Vec<String>,
    /// `None` if the file leaves it to the labels of the data, as in transformers: regression for one class,
    /// otherwise single-label for integer labels and multi-label for other numbers.
    pub problem_type: Option<ProblemType>,
}

impl Labels {
    /// Reads the classes from the content of a config.json. Without any of the keys there are two classes, `LABEL_0`
    /// and `LABEL_1`, as in transformers. `id2label` overrides `num_labels`.
    ///
    /// # Errors
    /// If ids are not 0, 1, ..., a name is not a string, or the problem type is unknown.
    pub fn of(config: &Value) -> Result<Self, ModelError> {
        let empty = Map::new();
        Self::of_keys(config.as_object().unwrap_or(&empty))
    }

    /// [`Self::of`] for some keys of a config.json.
    pub(crate) fn of_keys(keys: &Map<String, Value>) -> Result<Self, ModelError> {
        let get = |key: &str| keys.get(key).filter(|value| !value.is_null());
        let names = match (get("id2label"), get("num_labels")) {
            (Some(value), _) => names(value)?,
            (None, None) => default_names(2),
            (None, Some(value)) => match value.as_u64() {
                Some(count @ 1..=MAX_LABELS) => default_names(count),
                _ => {
                    let message = format!("is {value} and must be from 1 to {MAX_LABELS}");
                    return Err(bad("num_labels", &message));
                }
            },
        };
        let problem_type = get("problem_type").map(|value| {
            ProblemType::named(value.as_str().unwrap_or_default()).ok_or_else(|| {
                bad(
                    "problem_type",
                    &format!("must be {}", ProblemType::ALL.map(ProblemType::name).join(", ")),
                )
            })
        });
        let problem_type = problem_type.transpose()?;
        Ok(Self { names, problem_type })
    }
}

/// The keys of a config.json that give the classes these names: `id2label` and `label2id`.
pub fn label_keys(names: &[String]) -> Map<String, Value> {
    let id2label = (0..).zip(names).map(|(id, name): (u32, _)| (id.to_string(), json!(name)));
    let label2id = (0..).zip(names).map(|(id, name): (u32, _)| (name.clone(), json!(id)));
    Map::from_iter([
        ("id2label".to_owned(), id2label.collect()),
        ("label2id".to_owned(), label2id.collect()),
    ])
}

/// The largest number of classes. A larger number is most likely an error, and would allocate memory that the file
/// does not justify.
const MAX_LABELS: u64 = 1 << 24;

fn default_names(count: u64) -> Vec<String> {
    (0..count).map(|id| format!("LABEL_{id}")).collect()
}

/// The names in `id2label`, whose keys are numbers written as strings.
fn names(value: &Value) -> Result<Vec<String>, ModelError> {
    let wrong = || bad("id2label", "must give each of the ids \"0\", \"1\", ... a name");
    let mut names = BTreeMap::new();
    for (id, name) in value.as_object().ok_or_else(wrong)? {
        let id: usize = id.parse().map_err(|_| wrong())?;
        names.insert(id, name.as_str().ok_or_else(wrong)?.to_owned());
    }
    let is_complete = names.keys().copied().eq(0..names.len());
    let size = value.as_object().map_or(0, Map::len);
    match is_complete && names.len() == size && !names.is_empty() {
        true => Ok(names.into_values().collect()),
        false => Err(wrong()),
    }
}

/// Removes a `num_labels` that `id2label` overrides. Saved again, it would make transformers build a head of another size.
pub(crate) fn drop_overridden(config: &mut Value) {
    let overrides = config.get("id2label").is_some_and(|value| !value.is_null());
    if let (true, Some(keys)) = (overrides, config.as_object_mut()) {
        keys.remove("num_labels");
    }
}

/// Keys that `id2label` overrides and that contradict it.
pub(crate) fn without_effect(config: &Value) -> Vec<String> {
    let Some(Ok(names)) = config.get("id2label").filter(|value| !value.is_null()).map(names) else {
        return Vec::new();
    };
    let mut keys = Vec::new();
    let count = config.get("num_labels").and_then(Value::as_u64);
    if count.is_some_and(|count| count != names.len() as u64) {
        keys.push("num_labels (id2label has another number of classes, and is used)".to_owned());
    }
    if let Some(ids) = config.get("label2id").and_then(Value::as_object) {
        let id = |value: &Value| {
            value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        };
        let agrees = |(i, name): (u64, &String)| ids.get(name).and_then(id) == Some(i);
        if ids.len() != names.len() || !(0..).zip(&names).all(agrees) {
            keys.push("label2id (id2label says otherwise, and is used)".to_owned());
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn classes_follow_from_the_keys() {
        let check = |config: Value, expected: &[&str]| {
            assert_eq!(Labels::of(&config).unwrap().names, expected, "{config}");
        };
        check(json!({}), &["LABEL_0", "LABEL_1"]);
        check(json!({"num_labels": 1}), &["LABEL_0"]);
        let eleven: Map<String, Value> =
            (0..11).map(|id: u32| (id.to_string(), json!(format!("c{id}")))).collect();
        let names = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10"];
        check(json!({"id2label": eleven, "num_labels": 3}), &names);
        let config = json!({"num_labels": 1, "problem_type": "regression"});
        assert_eq!(Labels::of(&config).unwrap().problem_type, Some(ProblemType::Regression));
    }

    #[test]
    fn what_cannot_be_is_refused_by_key() {
        for (config, key) in [
            (json!({"num_labels": 0}), "num_labels"),
            (json!({"num_labels": "two"}), "num_labels"),
            (json!({"id2label": ["a"]}), "id2label"),
            (json!({"id2label": {}}), "id2label"),
            (json!({"id2label": {"0": "a", "2": "b"}}), "id2label"),
            (json!({"id2label": {"0": "a", "00": "b"}}), "id2label"),
            (json!({"id2label": {"0": 1}}), "id2label"),
            (json!({"problem_type": "guess"}), "problem_type"),
        ] {
            let error = Labels::of(&config).unwrap_err().to_string();
            assert!(error.contains(key), "{config}: {error}");
        }
    }

    #[test]
    fn keys_that_say_something_else_are_told() {
        let names = json!({"0": "a", "1": "b"});
        for (more, expected) in [
            (json!({"num_labels": 2, "label2id": {"a": 0, "b": 1}}), None),
            (json!({"label2id": {"a": "0", "b": "1"}}), None),
            (json!({"num_labels": 3}), Some("num_labels")),
            (json!({"label2id": {"a": 1, "b": 0}}), Some("label2id")),
            (json!({"label2id": {"a": 0}}), Some("label2id")),
        ] {
            let mut config = more;
            config["id2label"] = names.clone();
            let found = without_effect(&config);
            assert_eq!(found.first().map(|key| key.split(' ').next().unwrap()), expected);
        }
    }
}
