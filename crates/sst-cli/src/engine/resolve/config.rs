//! The configuration that runs: complete, and written out with the run.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value, json};
use sst_data::tokenize::TrainConfig;
use sst_models::InitOptions;
use sst_train::{Decay, OptimizerConfig, PrecisionChoice, ScheduleConfig, ScheduleName};

use super::batching::{Batching, LengthWarmup};
use super::duration::{Duration, Scale};
use super::engine::Engine;
use super::task::Tasks;

/// All that decides a run. It serialises to a recipe that resolves to itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RunConfig {
    pub(crate) run: Run,
    #[serde(flatten)]
    pub(crate) tasks: Tasks,
    pub(crate) tokenizer: TokenizerChoice,
    #[serde(serialize_with = "model_section")]
    pub(crate) model: ModelChoice,
    pub(crate) train: Train,
}

/// `[run]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) dir: String,
    pub(crate) seed: u64,
    pub(crate) device: String,
    /// 0 for as many as libtorch likes.
    pub(crate) threads: usize,
}

/// `[tokenizer]`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(clippy::large_enum_variant)] // There is one in a run.
pub(crate) enum TokenizerChoice {
    /// One that exists.
    Path(String),
    /// One to be trained on the data.
    Train(TrainConfig),
}

/// `[model]`
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ModelChoice {
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
pub(crate) struct Train {
    pub(crate) steps: Duration,
    #[serde(flatten)]
    pub(crate) batching: Batching,
    /// Short rows first.
    pub(crate) length_warmup: Option<LengthWarmup>,
    /// Rows lie one after the other instead of being padded to one length.
    pub(crate) padding_free: bool,
    /// `auto` until the run starts: see [`crate::precision`].
    pub(crate) precision: PrecisionChoice,
    /// 0 for no clipping.
    pub(crate) max_grad_norm: f64,
    pub(crate) log_every: Duration,
    /// Zero for the end of the run alone.
    pub(crate) eval_every: Duration,
    /// Zero for the end of the run alone.
    pub(crate) save_every: Duration,
    #[serde(flatten)]
    pub(crate) engine: Engine,
    pub(crate) optimizer: OptimizerConfig,
    pub(crate) schedule: Schedule,
}

/// `[train.schedule]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Schedule {
    pub(crate) name: ScheduleName,
    pub(crate) warmup: Duration,
    pub(crate) cooldown: Duration,
    pub(crate) cooldown_shape: Decay,
    pub(crate) min_lr_factor: f64,
}

impl RunConfig {
    /// The run's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        Path::new(&self.run.dir).join(&self.run.name)
    }

    /// As JSON, in the shape of a recipe, without what is absent.
    ///
    /// # Errors
    /// Never for the types that are in it.
    pub(crate) fn to_json(&self) -> Result<Value, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        drop_nulls(&mut value);
        Ok(value)
    }

    /// As the text of a recipe.
    ///
    /// # Errors
    /// If a key holds what TOML cannot.
    pub(crate) fn to_toml(&self) -> anyhow::Result<String> {
        let body = toml::to_string(&self.to_json()?)?;
        Ok(format!(
            "# Every setting of this run. `sst pretrain` takes this file as a recipe.\n\n{body}"
        ))
    }
}

impl Schedule {
    /// With every duration in steps.
    pub(crate) fn in_steps(&self, scale: Scale, total: u64) -> ScheduleConfig {
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
