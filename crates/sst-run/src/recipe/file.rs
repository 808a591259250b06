//! The recipe as it is typed: every key optional, unknown ones refused.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use sst_data::clean::CleanConfig;
use sst_data::read::{Format, OnError};
use sst_data::rows::RowMode;
use sst_data::tokenize::TrainConfig;
use sst_train::{Decay, EmaConfig, LossScaling, OptimizerConfig, PrecisionChoice, ScheduleName};

use super::batching::{BatchWarmup, BatchingName, LengthWarmup};
use super::curriculum::CurriculumFile;
use super::duration::Duration;
use super::engine::{Budget, Checkpointing, Inject, KeepFile};
use super::task::{MixtureFile, TaskFile};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RecipeFile {
    pub(super) run: RunFile,
    /// The keys of [`DataFile`], for each task to put its own on.
    pub(super) data: Map<String, Value>,
    pub(super) tokenizer: TokenizerFile,
    /// The keys of the model's config.json, and ours.
    pub(super) model: Map<String, Value>,
    /// The objective's own keys, and its name.
    pub(super) objective: Map<String, Value>,
    pub(super) curriculum: Option<CurriculumFile>,
    pub(super) mixture: Option<MixtureFile>,
    pub(super) tasks: BTreeMap<String, TaskFile>,
    pub(super) train: TrainFile,
}

/// `[run]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RunFile {
    pub(super) name: Option<String>,
    pub(super) dir: Option<String>,
    pub(super) seed: Option<u64>,
    pub(super) device: Option<String>,
    pub(super) threads: Option<usize>,
}

/// `[data]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DataFile {
    pub(super) paths: Vec<String>,
    pub(super) format: Option<Format>,
    pub(super) text_field: Option<String>,
    pub(super) score_field: Option<String>,
    pub(super) pair_fields: Vec<String>,
    pub(super) on_error: Option<OnError>,
    pub(super) validation: Option<f64>,
    pub(super) rows: Option<RowMode>,
    pub(super) max_length: Option<usize>,
    pub(super) cache: Option<String>,
    pub(super) workers: Option<usize>,
    pub(super) clean: CleanConfig,
}

/// `[tokenizer]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TokenizerFile {
    pub(super) path: Option<String>,
    pub(super) train: Option<TrainConfig>,
}

/// `[train]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TrainFile {
    pub(super) steps: Option<Duration>,
    pub(super) batch_size: Option<usize>,
    pub(super) micro_batch_size: Option<usize>,
    pub(super) batching: Option<BatchingName>,
    pub(super) batch_warmup: Option<BatchWarmup>,
    pub(super) length_warmup: Option<LengthWarmup>,
    pub(super) max_tokens: Option<usize>,
    pub(super) micro_max_tokens: Option<usize>,
    pub(super) pack_length: Option<usize>,
    pub(super) packs_per_step: Option<usize>,
    pub(super) micro_packs: Option<usize>,
    pub(super) window: Option<usize>,
    pub(super) padding_free: Option<bool>,
    pub(super) precision: Option<PrecisionChoice>,
    pub(super) max_grad_norm: Option<f64>,
    pub(super) log_every: Option<Duration>,
    pub(super) eval_every: Option<Duration>,
    pub(super) save_every: Option<Duration>,
    pub(super) activation_checkpointing: Option<Checkpointing>,
    pub(super) freeze: Vec<String>,
    pub(super) async_save: Option<bool>,
    pub(super) measure_mfu: Option<bool>,
    pub(super) allow_tf32: bool,
    pub(super) bf16_weights: bool,
    pub(super) loss_scaling: LossScaling,
    pub(super) ema: Option<EmaConfig>,
    pub(super) budget: Budget,
    pub(super) keep: KeepFile,
    pub(super) inject: Inject,
    pub(super) optimizer: OptimizerConfig,
    pub(super) schedule: ScheduleFile,
}

/// `[train.schedule]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ScheduleFile {
    pub(super) name: Option<ScheduleName>,
    pub(super) warmup: Option<Duration>,
    pub(super) cooldown: Option<Duration>,
    pub(super) cooldown_shape: Option<Decay>,
    pub(super) min_lr_factor: Option<f64>,
}
