//! `[objective]`: what the model learns. Its keys are those of the objective in sst-objectives.

use serde_json::{Map, Value, json};

use super::error::Problem;
use super::keys::{Idle, Keys};
use super::limits::{MOST_COUNT, MOST_ROWS, MOST_WIDTH};
use super::nearest::{name, unknown_name};
use super::section::{self, without};
use super::task::Task;

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
    idle_in_task,
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

fn idle_in_task(task: &Task) -> Vec<Idle> {
    let spans = task.objective.get("unit").is_none_or(|unit| unit == "span");
    if task.objective_name() != "mlm" || spans {
        return Vec::new();
    }
    let why = "is for unit = \"span\"";
    vec![("objective.span_p", json!(0.2), why), ("objective.max_span", json!(10), why)]
}
