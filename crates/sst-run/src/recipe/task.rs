//! `[tasks.NAME]`: one of several tasks that take turns. A run of one task has `[data]`, `[objective]` and
//! `[curriculum]` instead.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use sst_data::RowSpec;
use sst_data::mixture::{Mixture, MixtureError};
use sst_objectives::ObjectiveError;

use super::Keys;
use super::curriculum::{Curriculum, CurriculumFile};
use super::data::{Data, DataFile};
use super::duration::Scale;
use super::error::Problem;
use super::limits::MOST_REAL;
use super::mixture::{MixBy, Mixing, MixtureFile, Stage};
use super::objective;
use super::section::without;

/// `[tasks.NAME]` as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TaskFile {
    weight: Option<f64>,
    /// Keys that stand before those of `[data]`.
    data: Map<String, Value>,
    /// Instead of `[objective]`.
    objective: Option<Map<String, Value>>,
    /// Instead of `[curriculum]`.
    curriculum: Option<CurriculumFile>,
}

/// An objective on a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Task {
    /// Empty for the only task of a run.
    #[serde(skip)]
    pub name: String,
    /// For a mixture by weight. Default: 1.
    pub weight: Option<f64>,
    /// `[tasks.NAME.data]`, or `[data]`.
    pub data: Data,
    /// `[tasks.NAME.objective]`, or `[objective]`: the objective's keys, all of them, `name` first.
    pub objective: Map<String, Value>,
    /// `[tasks.NAME.curriculum]`, or `[curriculum]`: easy rows first; `None` for all of them from the start.
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

pub(super) const KEYS: Keys = Keys { limits: &[("weight", 0.0, MOST_REAL)], ..Keys::NONE };

impl TaskFile {
    /// What all tasks share.
    pub(super) fn shared(
        data: Map<String, Value>,
        objective: Map<String, Value>,
        curriculum: Option<CurriculumFile>,
    ) -> Self {
        Self { weight: None, data, objective: Some(objective), curriculum }
    }

    /// Takes from `shared` what this task does not say.
    fn on(self, shared: &Self) -> Self {
        let mut data = Value::Object(shared.data.clone());
        put_on(&mut data, &Value::Object(self.data));
        Self {
            weight: self.weight,
            data: data.as_object().cloned().unwrap_or_default(),
            objective: self.objective.or_else(|| shared.objective.clone()),
            curriculum: self.curriculum.or_else(|| shared.curriculum.clone()),
        }
    }

    fn fill(self, name: &str, positions: Option<usize>) -> Result<Task, Problem> {
        let section = |section: &str| task_key(name, section);
        let data = DataFile::read(&section("data"), Value::Object(self.data))?;
        let curriculum = self.curriculum.map(|file| file.fill(&section("curriculum")));
        let objective =
            objective::fill(&section("objective"), &self.objective.unwrap_or_default())?;
        let rows = rows(&objective).unwrap_or(RowSpec::Tokens);
        Ok(Task {
            name: name.to_owned(),
            weight: self.weight,
            data: data.fill(&section("data"), positions, &rows)?,
            objective,
            curriculum: curriculum.transpose()?,
        })
    }
}

/// Puts the values of `over` on those of `base`, section by section.
fn put_on(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                put_on(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

impl Task {
    /// Where `key`, such as `data.paths`, stands in a recipe for this task.
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

/// Where `key` stands for the task `name`.
fn task_key(name: &str, key: &str) -> String {
    match name {
        "" => key.to_owned(),
        name => format!("tasks.{name}.{key}"),
    }
}

impl Tasks {
    /// The tasks of `named`, which take from `shared` what they do not say; without any, `shared` is the only one.
    /// `positions` is the longest row that the model reads, if it has a limit.
    pub(super) fn fill(
        shared: TaskFile,
        named: BTreeMap<String, TaskFile>,
        mixture: Option<MixtureFile>,
        positions: Option<usize>,
    ) -> Result<Self, Problem> {
        if named.is_empty() {
            return match mixture {
                None => Ok(Self { list: vec![shared.fill("", positions)?], mixture: None }),
                Some(_) => {
                    let message = "is for several tasks: describe each in a section [tasks.NAME]";
                    Err(Problem::new("mixture", message))
                }
            };
        }
        let own = |(name, file): (String, TaskFile)| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(plain) {
                let message =
                    "is no name for a task: begin with a letter, then letters, digits, - and _";
                return Err(Problem::new(&format!("tasks.{name}"), message));
            }
            file.on(&shared).fill(&name, positions)
        };
        let mut list = named.into_iter().map(own).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<&str> = list.iter().map(|task| &*task.name).collect();
        let mixture = mixture.unwrap_or_default().fill(&names)?;
        for task in &mut list {
            match (mixture.by, task.weight) {
                (MixBy::Weight, weight) => task.weight = Some(weight.unwrap_or(1.0)),
                (_, None) => {}
                (_, Some(_)) => {
                    let message = "is for mixture.by = \"weight\"";
                    return Err(Problem::new(&task.key("weight"), message));
                }
            }
        }
        Ok(Self { list, mixture: Some(mixture) })
    }

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

    /// The mixture of a run of `total` steps over tasks of so many rows.
    ///
    /// # Errors
    /// If a weight, the temperature or the schedule cannot be.
    pub(crate) fn mixture(
        &self,
        rows: &[u64],
        scale: Scale,
        total: u64,
    ) -> Result<Mixture, MixtureError> {
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
