//! The keys of `[train]` that say how the engine works, as typed and as run.

use serde::{Deserialize, Serialize};
use sst_train::{BestBy, EmaConfig, Fault, FitConfig, LossScaling, Retention};

use super::duration::{Duration, Scale};
use super::error::Problem;
use super::file::TrainFile;

/// Which layers run again in the backward pass instead of being kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Checkpointing {
    /// None of them, or all of them.
    All(bool),
    /// Every n-th, the first included.
    Every(usize),
    /// These, from 0.
    Layers(Vec<usize>),
}

impl Checkpointing {
    /// Whether `layer` is one of them.
    pub fn picks(&self, layer: usize) -> bool {
        match self {
            Self::All(all) => *all,
            Self::Every(n) => *n > 0 && layer.is_multiple_of(*n),
            Self::Layers(layers) => layers.contains(&layer),
        }
    }
}

/// `[train.budget]`: what ends a run before its last step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Tokens that carry data.
    pub tokens: Option<u64>,
    /// Seconds, over all parts of a resumed run.
    pub seconds: Option<f64>,
}

/// `[train.keep]` as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct KeepFile {
    last: Option<usize>,
    best: Option<usize>,
    by: Option<BestBy>,
    every: Option<Duration>,
}

/// `[train.keep]`: which checkpoints stay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Keep {
    pub last: usize,
    pub best: usize,
    pub by: Option<BestBy>,
    pub every: Duration,
}

/// `[train.inject]`: failures made on purpose, to see what happens then. 0 for never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inject {
    /// The loss of this step is not a number.
    pub nan_at: u64,
    /// The gradients of this step overflow fp16.
    pub overflow_at: u64,
    /// From this step on memory holds `memory_rows` rows at a time.
    pub out_of_memory_at: u64,
    /// See `out_of_memory_at`.
    pub memory_rows: usize,
}

/// As run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Engine {
    pub activation_checkpointing: Checkpointing,
    pub freeze: Vec<String>,
    pub async_save: bool,
    pub measure_mfu: bool,
    pub allow_tf32: bool,
    pub bf16_weights: bool,
    pub loss_scaling: LossScaling,
    pub ema: Option<EmaConfig>,
    pub budget: Budget,
    pub keep: Keep,
    pub inject: Inject,
}

impl Engine {
    /// What `[train]` says, its defaults filled in.
    pub(super) fn fill(file: &TrainFile) -> Self {
        let kept = Retention::default();
        let keep = &file.keep;
        Self {
            activation_checkpointing: file
                .activation_checkpointing
                .clone()
                .unwrap_or(Checkpointing::All(false)),
            freeze: file.freeze.clone(),
            async_save: file.async_save.unwrap_or(true),
            measure_mfu: file.measure_mfu.unwrap_or(false),
            allow_tf32: file.allow_tf32,
            bf16_weights: file.bf16_weights,
            loss_scaling: file.loss_scaling,
            ema: file.ema,
            budget: file.budget,
            keep: Keep {
                last: keep.last.unwrap_or(kept.last),
                best: keep.best.unwrap_or(kept.best),
                by: keep.by.clone(),
                every: keep.every.unwrap_or(Duration::ZERO),
            },
            inject: file.inject,
        }
    }
}

impl Engine {
    /// Checks what only this place can.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let Inject { out_of_memory_at, memory_rows, .. } = self.inject;
        if out_of_memory_at > 0 && memory_rows == 0 {
            let message = "must be at least 1 with out_of_memory_at";
            return Err(Problem::new("train.inject.memory_rows", message));
        }
        if self.activation_checkpointing == Checkpointing::Every(0) {
            let message = "is 0: write false, true, how often, or a list of layers";
            return Err(Problem::new("train.activation_checkpointing", message));
        }
        Ok(())
    }

    /// Its part of the settings of the loop.
    pub fn fit_config(&self, scale: Scale, total_steps: u64) -> FitConfig {
        let every = self.keep.every.steps(scale, total_steps);
        FitConfig {
            max_tokens: self.budget.tokens,
            max_seconds: self.budget.seconds,
            retention: Retention {
                last: self.keep.last,
                best: self.keep.best,
                by: self.keep.by.clone(),
                every: (every > 0).then_some(every),
            },
            async_save: self.async_save,
            loss_scaling: self.loss_scaling,
            allow_tf32: self.allow_tf32,
            bf16_weights: self.bf16_weights,
            freeze: self.freeze.clone(),
            ema: self.ema,
            ..FitConfig::default()
        }
    }

    /// The failure to make, if any.
    pub fn fault(&self) -> Option<Fault> {
        let Inject { nan_at, overflow_at, out_of_memory_at, memory_rows } = self.inject;
        let nan = (nan_at > 0).then_some(Fault::NanLoss { step: nan_at });
        let overflow = (overflow_at > 0).then_some(Fault::Overflow { step: overflow_at });
        let memory = Fault::OutOfMemory { step: out_of_memory_at, rows: memory_rows };
        nan.or(overflow).or((out_of_memory_at > 0).then_some(memory))
    }
}
