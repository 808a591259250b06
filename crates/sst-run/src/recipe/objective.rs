//! `[objective]`: the training objective. Its keys are those of the objective in sst-objectives.

use serde_json::{Map, Value, json};

use super::Keys;
use super::error::Problem;
use super::limits::{MOST_COUNT, MOST_ROWS, MOST_WIDTH};
use super::nearest::{name, unknown_name};
use super::section::{self, without};

pub(super) const KEYS: Keys = Keys {
    limits: &[
        ("objective.mask_rate", 0.0, 1.0),
        ("objective.replace_mask", 0.0, 1.0),
        ("objective.replace_random", 0.0, 1.0),
        ("objective.span_p", 0.0, 1.0),
        ("objective.max_span", 1.0, 1_000.0),
        ("objective.z_loss", 0.0, 1e6),
        ("objective.logits_at_once", 0.0, MOST_COUNT),
        ("objective.temperature", 0.0, 1e6),
        ("objective.projection_size", 0.0, MOST_WIDTH),
        ("objective.chunk_rows", 0.0, MOST_ROWS),
        ("objective.crop", 0.0, 1.0),
        ("objective.delete", 0.0, 1.0),
        ("objective.mask", 0.0, 1.0),
        ("objective.swap", 0.0, 1.0),
        ("objective.momentum", 0.0, 1.0),
        ("objective.queue_size", 1.0, MOST_ROWS),
        ("objective.negative_weight", 0.0, 1e6),
    ],
    idle_in_task: |task| {
        // An unknown objective is reported where it is built.
        let Ok(entry) = sst_objectives::entry(task.objective_name()) else { return Vec::new() };
        let defaults = (entry.default_config)();
        let default = |key: &str| defaults.get(key).cloned().unwrap_or_default();
        let keys = (entry.idle_keys)(&task.objective_config());
        keys.into_iter().map(|(key, why)| (format!("objective.{key}"), default(key), why)).collect()
    },
    ..Keys::NONE
};

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
