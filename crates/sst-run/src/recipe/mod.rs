//! Turns a recipe as it is written into a complete configuration.
//!
//! Each section is a file with: the written form, in which every key is optional and unknown keys are refused; the
//! checked form, in which all values are present; the defaults, checks and limits; which keys may change when a run is
//! resumed; and which settings of the libraries the keys give (`Keys`). Checks that involve several sections are in
//! `check`. Every error names the line of the file, or the `--set`, that it comes from.

mod check;
mod curriculum;
mod data;
mod duration;
mod error;
mod head;
mod image;
mod limits;
mod lora;
mod mixture;
mod model;
#[cfg(test)]
mod mutated;
mod nearest;
mod objective;
mod objective_keys;
mod of_model;
mod pictures;
mod run;
mod section;
mod settings;
mod task;
mod tokenizer;
mod train;
mod transform;
mod unused;
mod written;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::ser::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sst_data::{RowSpec, Setting};

pub(crate) use check::misses;
pub use curriculum::{Curriculum, PacingName};
pub use data::Data;
pub use duration::{Duration, Scale};
pub(crate) use error::Problem;
pub use error::RecipeError;
pub use head::HeadChoice;
pub use image::ImageSection;
pub(crate) use limits::MOST_STEPS;
pub use mixture::{MixBy, Mixing, Stage};
pub use model::ModelChoice;
pub(crate) use model::{FROM_TOKENIZER, POSITIONS, TEXT_CONFIG, change_text_config};
pub(crate) use nearest::unknown_key;
pub use run::RunSection;
pub(crate) use section::{parse as parse_section, problem as key_problem, take as take_keys};
pub use settings::key_of;
pub(crate) use settings::keys;
pub use task::{Task, Tasks};
pub use tokenizer::TokenizerChoice;
pub(crate) use tokenizer::tokenizer_problem;
pub use train::{
    BatchWarmup, Batching, BatchingSection, Budget, Checkpointing, Inject, Keep, LengthWarmup,
    OnlineEval, Schedule, Train, UnfreezeSection,
};
pub(crate) use unused::unused;
pub(crate) use written::Written;

/// The sections of a recipe as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RecipeFile {
    run: run::RunFile,
    /// The section that the tasks share; each task overrides keys of it.
    data: Map<String, Value>,
    tokenizer: tokenizer::TokenizerFile,
    image: Option<image::ImageFile>,
    /// The keys of the model's config.json, and `init`.
    model: Map<String, Value>,
    /// The keys of the objective, and its name.
    objective: Map<String, Value>,
    curriculum: Option<curriculum::CurriculumFile>,
    mixture: Option<mixture::MixtureFile>,
    tasks: BTreeMap<String, task::TaskFile>,
    train: Map<String, Value>,
}

/// The complete configuration of a run. Serialised, it is a recipe that resolves to the same configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunConfig {
    /// `[run]`
    pub run: RunSection,
    /// `[data]`, `[objective]` and `[curriculum]`, or `[mixture]` and `[tasks.NAME]`.
    #[serde(flatten)]
    pub tasks: Tasks,
    /// `[tokenizer]`; `None` if no objective reads text.
    pub tokenizer: Option<TokenizerChoice>,
    /// `[image]`; `None` if no objective reads pictures.
    pub image: Option<ImageSection>,
    /// `[model]`
    pub model: ModelChoice,
    /// `[train]`
    pub train: Train,
}

impl RunConfig {
    /// Whether every task learns from pictures, so that the speed of the run is in pictures/s.
    pub fn are_pictures(&self) -> bool {
        self.tasks.list.iter().all(|task| task.rows().is_ok_and(|rows| rows.have_pictures()))
    }

    /// Fills in the defaults of keys that `written` lacks. Types are checked, values are not: see [`super::check`].
    pub(super) fn fill(written: &Written) -> Result<Self, Problem> {
        let file: RecipeFile = section::parse("", written.value())?;
        let run = file.run.fill(&written.stem());
        let model = ModelChoice::fill(&file.model)?;
        let shared = task::TaskFile::shared(file.data, file.objective, file.curriculum);
        let tasks = Tasks::fill(shared, file.tasks, file.mixture, &model.facts()?)?;
        let model = model.with_keys_of(&tasks.list, &file.model)?;
        let image = match (tasks.any_rows(RowSpec::have_pictures), file.image) {
            (true, image) => Some(image.unwrap_or_default().fill(&model)?),
            (false, None) => None,
            (false, Some(_)) => {
                let message = "applies only to objectives on pictures, and the recipe has none";
                return Err(Problem::new("image", message));
            }
        };
        let train = Train::fill(&file.train, tasks.max_length())?;
        let tokenizer = file.tokenizer.fill(tasks.any_rows(RowSpec::have_tokens))?;
        Ok(Self { run, tasks, tokenizer, image, model, train })
    }

    /// The folder of the run.
    pub fn folder(&self) -> PathBuf {
        Path::new(&self.run.dir).join(&self.run.name)
    }

    /// The configuration as JSON, in the structure of a recipe. Absent keys are left out.
    ///
    /// # Errors
    /// If a value cannot be written as JSON. The types of the configuration cause no such error.
    pub fn to_json(&self) -> Result<Value, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        drop_nulls(&mut value);
        Ok(value)
    }

    /// The configuration as the text of a recipe.
    ///
    /// # Errors
    /// If a value cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let body = toml::to_string(&self.to_json().map_err(toml::ser::Error::custom)?)?;
        Ok(format!(
            "# Every setting of this run. `sst pretrain` takes this file as a recipe.\n\n{body}"
        ))
    }
}

/// Removes nulls, which TOML does not have.
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

/// Properties of the keys of one section. Keys are written as in `train.batch_size`, without `tasks.NAME.`.
struct Keys {
    /// The range of each number.
    limits: &'static [(&'static str, f64, f64)],
    /// The keys that may change when a run is resumed, because they do not affect what is learned.
    may_differ: &'static [(&'static str, Effect)],
    /// The durations, each with its key.
    durations: fn(&RunConfig) -> Vec<(String, Duration)>,
    /// Returns the keys that have no effect in this recipe because of other keys.
    idle: fn(&RunConfig) -> Vec<Idle>,
    /// Returns the keys of a task that have no effect because of its other keys.
    idle_in_task: fn(&Task) -> Vec<Idle>,
    /// The settings of the libraries that errors name, each with the key that gives it.
    settings: &'static [(Setting, &'static str)],
}

/// The effect of a changed key on a run that is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The run ends with exactly the same weights.
    None,
    /// The weights may differ by rounding.
    LastBits,
}

/// A key without effect, its default, and the reason.
type Idle = (String, Value, &'static str);

impl Keys {
    /// A section without such properties.
    const NONE: Self = Self {
        limits: &[],
        may_differ: &[],
        durations: |_| Vec::new(),
        idle: |_| Vec::new(),
        idle_in_task: |_| Vec::new(),
        settings: &[],
    };
}

/// The properties of all sections.
const SECTIONS: [&Keys; 21] = [
    &run::KEYS,
    &data::KEYS,
    &tokenizer::KEYS,
    &image::KEYS,
    &model::KEYS,
    &objective::KEYS,
    &curriculum::KEYS,
    &mixture::KEYS,
    &task::KEYS,
    &train::KEYS,
    &train::batching::KEYS,
    &train::loss_scaling::KEYS,
    &train::ema::KEYS,
    &train::early_stopping::KEYS,
    &train::online_eval::KEYS,
    &train::unfreeze::KEYS,
    &train::budget::KEYS,
    &train::keep::KEYS,
    &train::inject::KEYS,
    &train::optimizer::KEYS,
    &train::schedule::KEYS,
];

/// The effect of a change of `key` on a run that is resumed; `None` if the run must be refused.
pub(crate) fn effect_of_change(key: &str) -> Option<Effect> {
    let in_task = key.strip_prefix("tasks.").and_then(|key| key.split_once('.'));
    let plain = in_task.map_or(key, |(_, key)| key);
    let mut all = SECTIONS.iter().flat_map(|keys| keys.may_differ);
    all.find(|(name, _)| *name == plain).map(|(_, effect)| *effect)
}

/// Reads the configuration that a run wrote when it began, with today's defaults for keys that it lacks. Values are
/// not checked, because its files may have moved since.
///
/// # Errors
/// If the file cannot be read, or a key is unknown or of the wrong type.
pub(crate) fn read_config(path: &Path) -> Result<RunConfig, RecipeError> {
    let written = Written::read(path)?;
    RunConfig::fill(&written).map_err(|problem| written.locate(problem))
}

/// Returns the complete, checked configuration of `written`.
///
/// # Errors
/// If a key is unknown, or its value has the wrong type or is invalid; the error names the place.
pub(crate) fn resolve(written: &Written) -> Result<RunConfig, RecipeError> {
    let config = RunConfig::fill(written);
    let checked = config.and_then(|config| check::check(&config).map(|()| config));
    checked.map_err(|problem| written.locate(problem))
}
