//! `[tasks.NAME]`: one of several tasks of a run. A run with a single task has `[data]`, `[objective]` and
//! `[curriculum]` instead.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use sst_data::RowSpec;
use sst_data::mixture::{Mixture, MixtureError};
use sst_data::read::Source;
use sst_data::records::Column;
use sst_objectives::ObjectiveError;

use super::Keys;
use super::curriculum::{Curriculum, CurriculumFile};
use super::data::{Data, DataFile};
use super::duration::Scale;
use super::error::Problem;
use super::limits::MOST_REAL;
use super::mixture::{MixBy, Mixing, MixtureFile, Stage};
use super::objective;
use super::of_model::OfModel;
use super::section::without;

/// `[tasks.NAME]` as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TaskFile {
    weight: Option<f64>,
    /// Keys that override those of `[data]`.
    data: Map<String, Value>,
    /// Replaces `[objective]`.
    objective: Option<Map<String, Value>>,
    /// Replaces `[curriculum]`.
    curriculum: Option<CurriculumFile>,
}

/// An objective and the data that it is trained on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Task {
    /// The name; empty for the only task of a run.
    #[serde(skip)]
    pub name: String,
    /// The weight in a mixture by weight. Default: 1.
    pub weight: Option<f64>,
    /// `[tasks.NAME.data]`, or `[data]`.
    pub data: Data,
    /// `[tasks.NAME.objective]`, or `[objective]`: the objective's keys, all of them, `name` first.
    pub objective: Map<String, Value>,
    /// `[tasks.NAME.curriculum]`, or `[curriculum]`: easy rows first; `None` for all of them from the start.
    pub curriculum: Option<Curriculum>,
}

/// The tasks of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Tasks {
    /// One task without a name, or several with names, sorted by name.
    pub list: Vec<Task>,
    /// How the task of a step is drawn; present if the tasks have names.
    pub mixture: Option<Mixing>,
}

pub(super) const KEYS: Keys = Keys {
    limits: &[("weight", 0.0, MOST_REAL)],
    settings: &[
        (sst_data::setting::MIXTURE_WEIGHTS, "tasks.NAME.weight"),
        (sst_train::setting::TASKS, "tasks"),
    ],
    ..Keys::NONE
};

impl TaskFile {
    /// The sections that all tasks share.
    pub(super) fn shared(
        data: Map<String, Value>,
        objective: Map<String, Value>,
        curriculum: Option<CurriculumFile>,
    ) -> Self {
        Self { weight: None, data, objective: Some(objective), curriculum }
    }

    /// Fills in from `shared` the sections and keys that this task lacks.
    fn inherit(self, shared: &Self) -> Self {
        let mut data = Value::Object(shared.data.clone());
        override_values(&mut data, &Value::Object(self.data));
        Self {
            weight: self.weight,
            data: data.as_object().cloned().unwrap_or_default(),
            objective: self.objective.or_else(|| shared.objective.clone()),
            curriculum: self.curriculum.or_else(|| shared.curriculum.clone()),
        }
    }

    fn fill(self, name: &str, of_model: &OfModel) -> Result<Task, Problem> {
        let section = |section: &str| task_key(name, section);
        let data = DataFile::read(&section("data"), Value::Object(self.data))?;
        let curriculum = self.curriculum.map(|file| file.fill(&section("curriculum")));
        let objective =
            objective::fill(&section("objective"), &self.objective.unwrap_or_default())?;
        let rows = rows(&objective).unwrap_or(RowSpec::Tokens);
        let entry = sst_objectives::entry(objective_name(&objective)).ok();
        entry.map_or(Ok(()), |entry| of_model.check(entry, &rows))?;
        Ok(Task {
            name: name.to_owned(),
            weight: self.weight,
            data: data.fill(&section("data"), of_model, &rows, entry)?,
            objective,
            curriculum: curriculum.transpose()?,
        })
    }
}

/// Overrides the values of `base` with those of `overrides`, section by section.
fn override_values(base: &mut Value, overrides: &Value) {
    match (base, overrides) {
        (Value::Object(base), Value::Object(overrides)) => {
            for (key, value) in overrides {
                override_values(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, overrides) => *base = overrides.clone(),
    }
}

impl Task {
    /// The full name in the recipe of `key`, such as `data.paths`, for this task.
    pub fn key(&self, key: &str) -> String {
        task_key(&self.name, key)
    }

    /// The objective's name.
    pub fn objective_name(&self) -> &str {
        objective_name(&self.objective)
    }

    /// The rows that the objective learns from.
    ///
    /// # Errors
    /// If there is no such objective.
    pub fn rows(&self) -> Result<RowSpec, ObjectiveError> {
        rows(&self.objective)
    }

    /// The texts that the objective learns from: one source for each field with texts.
    ///
    /// # Errors
    /// If there is no such objective.
    pub fn text_sources(&self) -> Result<Vec<Source>, ObjectiveError> {
        let (rows, source) = (self.rows()?, self.data.source());
        let columns: Vec<Column> = rows.text_columns().into_iter().cloned().collect();
        if columns.is_empty() {
            return Ok(vec![source]);
        }
        let of = |column: Column| Source { text_field: column.field, ..source.clone() };
        Ok(self.data.columns(&columns).into_iter().map(of).collect())
    }

    /// The objective's keys without its name.
    pub fn objective_config(&self) -> Value {
        Value::Object(without(&self.objective, &["name"]))
    }
}

fn objective_name(objective: &Map<String, Value>) -> &str {
    objective.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// The rows that an objective with these keys learns from.
fn rows(objective: &Map<String, Value>) -> Result<RowSpec, ObjectiveError> {
    let entry = sst_objectives::entry(objective_name(objective))?;
    Ok((entry.rows)(&Value::Object(without(objective, &["name"]))))
}

/// The full name of `key` for the task `name`.
fn task_key(name: &str, key: &str) -> String {
    match name {
        "" => key.to_owned(),
        name => format!("tasks.{name}.{key}"),
    }
}

impl Tasks {
    /// Builds the tasks of `named`, which inherit from `shared`; without any, `shared` is the only task. `of_model`
    /// is what they take from the model.
    pub(super) fn fill(
        shared: TaskFile,
        named: BTreeMap<String, TaskFile>,
        mixture: Option<MixtureFile>,
        of_model: &OfModel,
    ) -> Result<Self, Problem> {
        if named.is_empty() {
            return match mixture {
                None => Ok(Self { list: vec![shared.fill("", of_model)?], mixture: None }),
                Some(_) => {
                    let message =
                        "applies only to several tasks: describe each in a section [tasks.NAME]";
                    Err(Problem::new("mixture", message))
                }
            };
        }
        let task = |(name, file): (String, TaskFile)| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(plain) {
                let message =
                    "is no name for a task: begin with a letter, then letters, digits, - and _";
                return Err(Problem::new(&format!("tasks.{name}"), message));
            }
            file.inherit(&shared).fill(&name, of_model)
        };
        let mut list = named.into_iter().map(task).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<&str> = list.iter().map(|task| &*task.name).collect();
        let mixture = mixture.unwrap_or_default().fill(&names)?;
        for task in &mut list {
            match (mixture.by, task.weight) {
                (MixBy::Weight, weight) => task.weight = Some(weight.unwrap_or(1.0)),
                (_, None) => {}
                (_, Some(_)) => {
                    let message = "applies only to mixture.by = \"weight\"";
                    return Err(Problem::new(&task.key("weight"), message));
                }
            }
        }
        Ok(Self { list, mixture: Some(mixture) })
    }

    /// Whether a task learns from rows that `is` is true for.
    pub(super) fn any_rows(&self, is: fn(&RowSpec) -> bool) -> bool {
        // An unknown objective is reported where it is built. It may read text.
        self.list.iter().any(|task| is(&task.rows().unwrap_or(RowSpec::Tokens)))
    }

    /// The largest row length of all tasks.
    pub fn max_length(&self) -> usize {
        self.list.iter().map(|task| task.data.max_length).max().unwrap_or(0)
    }

    /// Finds the task `name`; without a name, returns the only task.
    ///
    /// # Errors
    /// If there is no such task, or several and no name; the message lists the names.
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

    /// Builds the mixture of a run of `total` steps, given the number of rows of each task.
    ///
    /// # Errors
    /// If a weight, the temperature or the schedule is invalid.
    pub(crate) fn mixture(
        &self,
        rows: &[u64],
        scale: Scale,
        total: u64,
    ) -> Result<Mixture, MixtureError> {
        let Some(mixing) = &self.mixture else { return Ok(Mixture::single()) };
        let weights =
            |weight: &dyn Fn(&Task) -> f64| self.list.iter().map(weight).collect::<Vec<_>>();
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
