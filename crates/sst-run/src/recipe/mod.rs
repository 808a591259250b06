//! From a recipe as it is written to a configuration that runs.
//!
//! Each section is a file: its written form, where everything may be absent and unknown keys are refused; its checked
//! form, where nothing is absent that is needed; its defaults, checks and limits; and what changes when a run is resumed
//! with other values ([`Keys`]). What crosses sections stands in [`check`]. Every error names the file and line, or the
//! `--set`, that it comes from.

mod check;
mod curriculum;
mod data;
mod duration;
mod error;
mod limits;
mod mixture;
mod model;
#[cfg(test)]
mod mutated;
mod nearest;
mod objective;
mod run;
mod section;
mod task;
mod tokenizer;
mod train;
mod unused;
mod written;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{RecipeError, Result, RunError};

pub(crate) use check::misses;
pub use curriculum::{Curriculum, PacingName};
pub use data::Data;
pub use duration::{Duration, Scale};
pub(crate) use error::Problem;
pub(crate) use limits::MOST_STEPS;
pub use mixture::{MixBy, Mixing, Stage};
pub(crate) use model::FROM_TOKENIZER;
pub use model::ModelChoice;
pub use run::RunSection;
pub(crate) use section::problem as key_problem;
pub use task::{Task, Tasks};
pub use tokenizer::TokenizerChoice;
pub(crate) use tokenizer::tokenizer_problem;
pub use train::{
    BatchWarmup, Batching, BatchingSection, Budget, Checkpointing, Inject, Keep, LengthWarmup,
    Schedule, Train,
};
pub(crate) use unused::unused;
pub(crate) use written::Written;

/// The whole file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RecipeFile {
    run: run::RunFile,
    /// For each task to put its own keys on.
    data: Map<String, Value>,
    tokenizer: tokenizer::TokenizerFile,
    /// The keys of the model's config.json, and ours.
    model: Map<String, Value>,
    /// The objective's own keys, and its name.
    objective: Map<String, Value>,
    curriculum: Option<curriculum::CurriculumFile>,
    mixture: Option<mixture::MixtureFile>,
    tasks: BTreeMap<String, task::TaskFile>,
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
        let shared = task::TaskFile::shared(file.data, file.objective, file.curriculum);
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

/// The facts on the keys of one section. Keys are written as in `train.batch_size`, without `tasks.NAME.`.
struct Keys {
    /// The least and the most of each number.
    limits: &'static [(&'static str, f64, f64)],
    /// The keys that may differ between the parts of a resumed run, since they do not say what is learned.
    may_differ: &'static [(&'static str, Effect)],
    /// The lengths of training, each with its key.
    durations: fn(&RunConfig) -> Vec<(String, Duration)>,
    /// The keys that have no effect beside the others of this recipe.
    idle: fn(&RunConfig) -> Vec<Idle>,
    /// The keys of a task that have no effect beside its others.
    idle_in_task: fn(&Task) -> Vec<Idle>,
}

/// What a changed key does to a run that is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The run ends with the very same weights.
    None,
    /// The last bits of the weights may differ.
    LastBits,
}

/// A key without effect, its default, and what it is for.
type Idle = (String, Value, &'static str);

impl Keys {
    /// A section of which there is nothing to say.
    const NONE: Self = Self {
        limits: &[],
        may_differ: &[],
        durations: |_| Vec::new(),
        idle: |_| Vec::new(),
        idle_in_task: |_| Vec::new(),
    };
}

/// The sections.
const SECTIONS: [&Keys; 17] = [
    &run::KEYS,
    &data::KEYS,
    &tokenizer::KEYS,
    &model::KEYS,
    &objective::KEYS,
    &curriculum::KEYS,
    &mixture::KEYS,
    &task::KEYS,
    &train::KEYS,
    &train::batching::KEYS,
    &train::loss_scaling::KEYS,
    &train::ema::KEYS,
    &train::budget::KEYS,
    &train::keep::KEYS,
    &train::inject::KEYS,
    &train::optimizer::KEYS,
    &train::schedule::KEYS,
];

/// What a change of `key` does to a run that is resumed; `None` where the run must be refused.
pub(crate) fn effect_of_change(key: &str) -> Option<Effect> {
    let own = key.strip_prefix("tasks.").and_then(|key| key.split_once('.'));
    let plain = own.map_or(key, |(_, key)| key);
    let mut all = SECTIONS.iter().flat_map(|keys| keys.may_differ);
    all.find(|(name, _)| *name == plain).map(|(_, effect)| *effect)
}

/// The configuration of a run as it was written when the run began, with today's defaults for the keys that it does not
/// hold. Nothing is checked: its files may have moved since.
///
/// # Errors
/// If the file cannot be read, or a key is unknown or of the wrong type.
pub(crate) fn read_config(path: &Path) -> Result<RunConfig, RecipeError> {
    let written = Written::read(path)?;
    RunConfig::fill(&written).map_err(|problem| written.locate(problem))
}

/// The complete, checked configuration of `written`.
///
/// # Errors
/// If a key is unknown, of the wrong type, or cannot be, with its place.
pub(crate) fn resolve(written: &Written) -> Result<RunConfig, RecipeError> {
    let config = RunConfig::fill(written);
    let checked = config.and_then(|config| check::check(&config).map(|()| config));
    checked.map_err(|problem| written.locate(problem))
}
