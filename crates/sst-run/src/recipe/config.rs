//! The configuration that runs: complete, and written out with the run.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value, json};
use sst_data::clean::CleanConfig;
use sst_data::read::{Format, OnError, Source};
use sst_data::rows::RowMode;
use sst_data::tokenize::TrainConfig;
use sst_models::InitOptions;
use sst_train::{Decay, FitConfig, OptimizerConfig, PrecisionChoice, ScheduleConfig, ScheduleName};

use super::batching::{Batching, LengthWarmup};
use super::duration::{Duration, Scale};
use super::engine::Engine;
use super::task::Tasks;
use crate::error::RunError;

/// All that decides a run. It serialises to a recipe that resolves to itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunConfig {
    pub run: RunSection,
    #[serde(flatten)]
    pub tasks: Tasks,
    pub tokenizer: TokenizerChoice,
    #[serde(serialize_with = "model_section")]
    pub model: ModelChoice,
    pub train: Train,
}

/// `[run]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSection {
    pub name: String,
    pub dir: String,
    pub seed: u64,
    pub device: String,
    /// 0 for as many as libtorch likes.
    pub threads: usize,
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Data {
    pub paths: Vec<String>,
    /// `None`: each file's by its extension.
    pub format: Option<Format>,
    pub text_field: String,
    /// A number of each document that curricula can rank by.
    pub score_field: Option<String>,
    /// Fields of the texts that belong to the one in `text_field`.
    pub pair_fields: Vec<String>,
    pub on_error: OnError,
    pub validation: f64,
    pub rows: RowMode,
    pub max_length: usize,
    /// Empty for the user's.
    pub cache: String,
    pub workers: usize,
    pub clean: CleanConfig,
}

/// `[tokenizer]`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(clippy::large_enum_variant)] // There is one in a run.
pub enum TokenizerChoice {
    /// One that exists.
    Path(String),
    /// One to be trained on the data.
    Train(TrainConfig),
}

/// `[model]`
#[derive(Debug, Clone, PartialEq)]
pub enum ModelChoice {
    /// A model that starts from random weights.
    New {
        /// The content of its config.json, `model_type` first. `vocab_size` is absent until the
        /// tokenizer is there, unless the recipe gives it.
        config: Map<String, Value>,
        /// How its weights start, where not as usual.
        init: InitOptions,
    },
    /// A model that goes on from a folder.
    Folder {
        /// The folder.
        path: String,
        /// Parameters that may be missing there, by the beginning of their name.
        allow_missing: Vec<String>,
        /// Tensors that may be left unused, by the beginning of their name.
        allow_unexpected: Vec<String>,
        /// Keys of its config.json that are other than there.
        config: Map<String, Value>,
    },
}

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Train {
    pub steps: Duration,
    #[serde(flatten)]
    pub batching: Batching,
    /// Short rows first.
    pub length_warmup: Option<LengthWarmup>,
    /// Rows lie one after the other instead of being padded to one length.
    pub padding_free: bool,
    /// `auto` until the run starts: see [`crate::precision`].
    pub precision: PrecisionChoice,
    /// 0 for no clipping.
    pub max_grad_norm: f64,
    pub log_every: Duration,
    /// Zero for the end of the run alone.
    pub eval_every: Duration,
    /// Zero for the end of the run alone.
    pub save_every: Duration,
    #[serde(flatten)]
    pub engine: Engine,
    pub optimizer: OptimizerConfig,
    pub schedule: Schedule,
}

/// `[train.schedule]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Schedule {
    pub name: ScheduleName,
    pub warmup: Duration,
    pub cooldown: Duration,
    pub cooldown_shape: Decay,
    pub min_lr_factor: f64,
}

impl RunConfig {
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

impl Data {
    /// The sources.
    pub fn source(&self) -> Source {
        Source {
            paths: self.paths.clone(),
            format: self.format,
            text_field: self.text_field.clone(),
            score_field: self.score_field.clone(),
            pair_fields: self.pair_fields.clone(),
            on_error: self.on_error,
            ..Source::default()
        }
    }
}

impl Train {
    /// The settings of the loop for a run of `total_steps` steps, every duration in steps. Seed, device and precision are
    /// the caller's.
    pub(crate) fn fit_config(&self, scale: Scale, total_steps: u64) -> FitConfig {
        let every = |duration: Duration| match duration.steps(scale, total_steps) {
            0 => None,
            steps => Some(steps),
        };
        FitConfig {
            total_steps,
            max_grad_norm: (self.max_grad_norm > 0.0).then_some(self.max_grad_norm),
            log_every: every(self.log_every).unwrap_or(1),
            eval_every: every(self.eval_every),
            save_every: every(self.save_every),
            optimizer: self.optimizer,
            schedule: self.schedule.in_steps(scale, total_steps),
            ..self.engine.fit_config(scale, total_steps)
        }
    }
}

impl Schedule {
    /// With every duration in steps.
    pub fn in_steps(&self, scale: Scale, total: u64) -> ScheduleConfig {
        ScheduleConfig {
            name: self.name,
            warmup_steps: self.warmup.steps(scale, total),
            decay_steps: self.cooldown.steps(scale, total),
            decay: self.cooldown_shape,
            min_lr_factor: self.min_lr_factor,
        }
    }
}

/// `[model]` as a recipe has it: `type` for config.json's `model_type`.
fn model_section<S: serde::Serializer>(model: &ModelChoice, to: S) -> Result<S::Ok, S::Error> {
    let mut section = Map::new();
    match model {
        ModelChoice::New { config, init } => {
            for (key, value) in config {
                let key = if key == "model_type" { "type" } else { key };
                section.insert(key.to_owned(), value.clone());
            }
            section.insert("init".to_owned(), json!(init));
        }
        ModelChoice::Folder { path, allow_missing, allow_unexpected, config } => {
            section.insert("path".to_owned(), json!(path));
            section.insert("allow_missing".to_owned(), json!(allow_missing));
            section.insert("allow_unexpected".to_owned(), json!(allow_unexpected));
            section.insert("config".to_owned(), json!(config));
        }
    }
    section.serialize(to)
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
