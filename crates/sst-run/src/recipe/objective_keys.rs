//! The keys of the model that follow from the objectives.

use serde_json::{Map, Value};

use super::error::Problem;
use super::model::ModelChoice;
use super::task::Task;

impl ModelChoice {
    /// The same choice with the keys of config.json that follow from the objectives, for a new model. `given` is `[model]` as
    /// it is written.
    pub(super) fn with_keys_of(
        self,
        tasks: &[Task],
        given: &Map<String, Value>,
    ) -> Result<Self, Problem> {
        let Self::New { mut config, init, head } = self else { return Ok(self) };
        for task in tasks {
            // An unknown objective is reported where it is built.
            let Ok(entry) = sst_objectives::entry(task.objective_name()) else { continue };
            for (key, value) in (entry.model_keys)(&task.objective_config()) {
                if let Some(other) = given.get(&key).filter(|other| **other != value) {
                    let of_objective = task.key(&format!("objective.{key}"));
                    let message = format!("is {other}, and {of_objective} is {value}: remove it");
                    return Err(Problem::new(&format!("model.{key}"), message));
                }
                if let Some(held) = config.get_mut(&key) {
                    *held = value;
                }
            }
        }
        Ok(Self::New { config, init, head })
    }
}
