//! `[objective]`: the training objective. Its keys are those of the objective in sst-objectives.

use serde_json::{Map, Value, json};
use sst_objectives::setting;

use super::Keys;
use super::error::Problem;
use super::nearest::{name, unknown_name};
use super::section::{self, without};

pub(super) const KEYS: Keys = Keys {
    idle_in_task: |task| {
        // An unknown objective is reported where it is built.
        let Ok(entry) = sst_objectives::entry(task.objective_name()) else { return Vec::new() };
        let defaults = (entry.default_config)();
        let default = |key: &str| defaults.get(key).cloned().unwrap_or_default();
        let keys = (entry.idle_keys)(&task.objective_config());
        keys.into_iter().map(|(key, why)| (format!("objective.{key}"), default(key), why)).collect()
    },
    settings: &[(setting::UNIT, "objective.unit"), (setting::QUEUE_SIZE, "objective.queue_size")],
    ..Keys::NONE
};

/// The limits of `key` of an objective, as the objectives that have it say.
pub(super) fn limit(key: &str) -> Option<(f64, f64)> {
    let mut limits = sst_objectives::list().iter().flat_map(|entry| (entry.limits)());
    limits.find(|(name, ..)| *name == key).map(|(_, least, most)| (least, most))
}

/// The keys of the objective that `section` names, all of them, `name` first.
pub(super) fn fill(
    section: &str,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Problem> {
    let key = format!("{section}.name");
    let known = || sst_objectives::list().iter().map(|entry| entry.name);
    let Some(name_given) = given.get("name") else {
        let all: Vec<&str> = known().collect();
        let message = format!("is missing: there are {}", all.join(", "));
        return Err(Problem::new(&key, message));
    };
    let name = name(&key, name_given, known())?;
    let Some(entry) = sst_objectives::list().iter().find(|entry| entry.name == name) else {
        return Err(unknown_name(&key, &name, known()));
    };
    let keys = without(given, &["name"]);
    let defaults = (entry.default_config)();
    section::check_against(section, &keys, &defaults)?;
    let mut config = Map::from_iter([("name".to_owned(), json!(name))]);
    if let Value::Object(defaults) = defaults {
        config.extend(defaults);
    }
    config.extend(keys);
    Ok(config)
}
