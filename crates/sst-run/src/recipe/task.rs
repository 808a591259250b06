//! `[data]`, `[objective]` and `[curriculum]` of a run of one task; `[tasks.NAME]` and `[mixture]` of one
//! with several, as typed and as run.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use sst_data::mixture::{Mixture, MixtureError};

use super::config::Data;
use super::curriculum::{Curriculum, CurriculumFile};
use super::duration::{Duration, Scale};
use super::error::Problem;

/// How the task of a step is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MixBy {
    /// In proportion to each task's `weight`.
    #[default]
    Weight,
    /// In proportion to the tasks' rows, to the power of one over a temperature.
    Temperature,
    /// By weights that change on the way.
    Schedule,
}

/// Weights from a step on. A task that is not named has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// From here on.
    pub from: Duration,
    /// Weights by task.
    pub weights: BTreeMap<String, f64>,
}

/// `[mixture]` as typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MixtureFile {
    by: MixBy,
    temperature: Option<f64>,
    schedule: Option<Vec<Stage>>,
}

/// `[tasks.NAME]` as typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TaskFile {
    pub(super) weight: Option<f64>,
    /// Keys that stand before those of `[data]`.
    pub(super) data: Map<String, Value>,
    /// Instead of `[objective]`.
    pub(super) objective: Option<Map<String, Value>>,
    /// Instead of `[curriculum]`.
    pub(super) curriculum: Option<CurriculumFile>,
}

/// `[mixture]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mixing {
    pub by: MixBy,
    pub temperature: Option<f64>,
    pub schedule: Option<Vec<Stage>>,
}

/// An objective on a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Task {
    /// Empty for the only task of a run.
    #[serde(skip)]
    pub name: String,
    /// For a mixture by weight.
    pub weight: Option<f64>,
    pub data: Data,
    /// The objective's keys, all of them, `name` first.
    pub objective: Map<String, Value>,
    /// Easy rows first; `None` for all of them from the start.
    pub curriculum: Option<Curriculum>,
}

/// What a run trains on.
#[derive(Debug, Clone, PartialEq)]
pub struct Tasks {
    /// One task without a name, or several with one, in the order of their names.
    pub list: Vec<Task>,
    /// Present where tasks have names.
    pub mixture: Option<Mixing>,
}

impl Task {
    /// Where `key`, such as `data.paths`, stands in a recipe for this task.
    pub fn key(&self, key: &str) -> String {
        task_key(&self.name, key)
    }

    /// The objective's name.
    pub fn objective_name(&self) -> &str {
        self.objective.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// The objective's keys without its name.
    pub fn objective_config(&self) -> Value {
        let own = self.objective.iter().filter(|(key, _)| *key != "name");
        Value::Object(own.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// Where `key` stands for the task `name`.
pub(super) fn task_key(name: &str, key: &str) -> String {
    match name {
        "" => key.to_owned(),
        name => format!("tasks.{name}.{key}"),
    }
}

impl Tasks {
    /// The most tokens that a row has.
    pub fn max_length(&self) -> usize {
        self.list.iter().map(|task| task.data.max_length).max().unwrap_or(0)
    }

    /// The task called `name`; without a name, the only one.
    ///
    /// # Errors
    /// If there is none, or several to choose from, with their names.
    pub fn find(&self, name: Option<&str>) -> Result<&Task, String> {
        let names: Vec<_> = self.list.iter().map(|task| &*task.name).collect();
        match (name, &self.list[..]) {
            (None, [task]) => Ok(task),
            (None, _) => {
                Err(format!("the run has several tasks: choose with --task {}", names.join("|")))
            }
            (Some(name), list) => {
                list.iter().find(|task| task.name == name).ok_or_else(|| match self.mixture {
                    None => "the run has one task, without a name: leave --task out".to_owned(),
                    Some(_) => {
                        format!("the run has no task \"{name}\"; it has {}", names.join(", "))
                    }
                })
            }
        }
    }

    /// Puts `[mixture]` and the tasks together.
    pub(super) fn several(file: MixtureFile, list: Vec<Task>) -> Result<Self, Problem> {
        let MixtureFile { by, temperature, schedule } = file;
        let refuse = |key: &str, what: &str| {
            Err(Problem::new(key, format!("is for mixture.by = \"{what}\"")))
        };
        if temperature.is_some() && by != MixBy::Temperature {
            return refuse("mixture.temperature", "temperature");
        }
        if schedule.is_some() && by != MixBy::Schedule {
            return refuse("mixture.schedule", "schedule");
        }
        let mut list = list;
        for task in &mut list {
            match (by, task.weight) {
                (MixBy::Weight, weight) => task.weight = Some(weight.unwrap_or(1.0)),
                (_, None) => {}
                (_, Some(_)) => return refuse(&task.key("weight"), "weight"),
            }
        }
        if by == MixBy::Schedule && schedule.is_none() {
            let message =
                "is missing: list { from = \"0step\", weights = { NAME = 1.0 } } and so on";
            return Err(Problem::new("mixture.schedule", message));
        }
        let known = |name: &String| list.iter().any(|task| task.name == *name);
        let named = schedule.iter().flatten().flat_map(|stage| stage.weights.keys());
        if let Some(name) = named.into_iter().find(|name| !known(name)) {
            let message = format!("names \"{name}\", and there is no [tasks.{name}]");
            return Err(Problem::new("mixture.schedule", message));
        }
        let temperature = (by == MixBy::Temperature).then(|| temperature.unwrap_or(1.0));
        Ok(Self { list, mixture: Some(Mixing { by, temperature, schedule }) })
    }

    /// The mixture of a run of `total` steps over tasks of so many rows.
    ///
    /// # Errors
    /// If a weight, the temperature or the schedule cannot be.
    pub fn mixture(&self, rows: &[u64], scale: Scale, total: u64) -> Result<Mixture, MixtureError> {
        let Some(mixing) = &self.mixture else { return Ok(Mixture::single()) };
        let weights = |of: &dyn Fn(&Task) -> f64| self.list.iter().map(of).collect::<Vec<_>>();
        match mixing.by {
            MixBy::Weight => Mixture::weights(&weights(&|task| task.weight.unwrap_or(1.0))),
            MixBy::Temperature => Mixture::temperature(rows, mixing.temperature.unwrap_or(1.0)),
            MixBy::Schedule => {
                let stage = |stage: &Stage| {
                    let weight =
                        |task: &Task| stage.weights.get(&task.name).copied().unwrap_or(0.0);
                    (stage.from.steps(scale, total), weights(&weight))
                };
                let stages: Vec<_> = mixing.schedule.iter().flatten().map(stage).collect();
                Mixture::schedule(&stages)
            }
        }
    }
}

impl Serialize for Tasks {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut sections = to.serialize_map(None)?;
        match (&self.mixture, &self.list[..]) {
            (None, [task]) => {
                sections.serialize_entry("data", &task.data)?;
                sections.serialize_entry("objective", &task.objective)?;
                sections.serialize_entry("curriculum", &task.curriculum)?;
            }
            (mixture, list) => {
                sections.serialize_entry("mixture", mixture)?;
                let tasks: Map<String, Value> =
                    list.iter().map(|task| (task.name.clone(), json!(task))).collect();
                sections.serialize_entry("tasks", &tasks)?;
            }
        }
        sections.end()
    }
}
