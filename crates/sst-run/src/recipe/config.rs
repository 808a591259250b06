//! The whole recipe: as it is written, where everything may be absent, and as it runs, where nothing is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::curriculum::CurriculumFile;
use super::error::Problem;
use super::mixture::MixtureFile;
use super::model::ModelChoice;
use super::run::{RunFile, RunSection};
use super::section;
use super::task::{TaskFile, Tasks};
use super::tokenizer::{TokenizerChoice, TokenizerFile};
use super::train::Train;
use super::written::Written;
use crate::error::RunError;

/// The whole file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RecipeFile {
    run: RunFile,
    /// For each task to put its own keys on.
    data: Map<String, Value>,
    tokenizer: TokenizerFile,
    /// The keys of the model's config.json, and ours.
    model: Map<String, Value>,
    /// The objective's own keys, and its name.
    objective: Map<String, Value>,
    curriculum: Option<CurriculumFile>,
    mixture: Option<MixtureFile>,
    tasks: BTreeMap<String, TaskFile>,
    train: Map<String, Value>,
}

/// All that decides a run. It serialises to a recipe that resolves to itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunConfig {
    /// `[run]`
    pub run: RunSection,
    /// `[data]`, `[objective]` and `[curriculum]`, or `[mixture]` and `[tasks.NAME]`.
    #[serde(flatten)]
    pub tasks: Tasks,
    /// `[tokenizer]`
    pub tokenizer: TokenizerChoice,
    /// `[model]`
    pub model: ModelChoice,
    /// `[train]`
    pub train: Train,
}

impl RunConfig {
    /// Fills in what `written` leaves out. Types are checked, values are not: see [`super::check`].
    pub(super) fn fill(written: &Written) -> Result<Self, Problem> {
        let file: RecipeFile = section::parse("", written.value())?;
        let run = file.run.fill(&written.stem());
        let model = ModelChoice::fill(&file.model)?;
        let shared = TaskFile::shared(file.data, file.objective, file.curriculum);
        let tasks = Tasks::fill(shared, file.tasks, file.mixture, model.positions()?)?;
        let train = Train::fill(&file.train, tasks.max_length())?;
        Ok(Self { run, tasks, tokenizer: file.tokenizer.fill()?, model, train })
    }

    /// The run's folder.
    pub fn folder(&self) -> PathBuf {
        Path::new(&self.run.dir).join(&self.run.name)
    }

    /// As JSON, in the shape of a recipe, without what is absent.
    ///
    /// # Errors
    /// Never for the types that are in it.
    pub fn to_json(&self) -> Result<Value, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        drop_nulls(&mut value);
        Ok(value)
    }

    /// As the text of a recipe.
    ///
    /// # Errors
    /// If a key holds what TOML cannot.
    pub fn to_toml(&self) -> Result<String, RunError> {
        let body = toml::to_string(&self.to_json()?)?;
        Ok(format!(
            "# Every setting of this run. `sst pretrain` takes this file as a recipe.\n\n{body}"
        ))
    }
}

/// TOML has no null: absent is absent.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
