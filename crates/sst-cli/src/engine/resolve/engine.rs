//! The keys of `[train]` that say how the engine works, as typed and as run.

use serde::{Deserialize, Serialize};
use sst_train::{BestBy, EmaConfig, Fault, FitConfig, LossScaling, Retention};

use super::duration::{Duration, Scale};
use super::error::Problem;

/// Which layers run again in the backward pass instead of being kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Checkpointing {
    /// None of them, or all of them.
    All(bool),
    /// Every n-th, the first included.
    Every(usize),
    /// These, from 0.
    Layers(Vec<usize>),
}

impl Checkpointing {
    /// Whether `layer` is one of them.
    pub(crate) fn picks(&self, layer: usize) -> bool {
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
pub(crate) struct Budget {
    /// Tokens that carry data.
    pub(crate) tokens: Option<u64>,
    /// Seconds, over all parts of a resumed run.
    pub(crate) seconds: Option<f64>,
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
pub(crate) struct Keep {
    pub(crate) last: usize,
    pub(crate) best: usize,
    pub(crate) by: Option<BestBy>,
    pub(crate) every: Duration,
}

impl Keep {
    /// What `[train.keep]` says, its defaults filled in.
    pub(super) fn fill(keep: &KeepFile) -> Self {
        let kept = Retention::default();
        Self {
            last: keep.last.unwrap_or(kept.last),
            best: keep.best.unwrap_or(kept.best),
            by: keep.by.clone(),
            every: keep.every.unwrap_or(Duration::ZERO),
        }
    }
}

/// `[train.inject]`: failures made on purpose, to see what happens then. 0 for never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Inject {
    /// The loss of this step is not a number.
    pub(crate) nan_at: u64,
    /// The gradients of this step overflow fp16.
    pub(crate) overflow_at: u64,
    /// From this step on memory holds `memory_rows` rows at a time.
    pub(crate) out_of_memory_at: u64,
    /// See `out_of_memory_at`.
    pub(crate) memory_rows: usize,
}

/// As run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Engine {
    pub(crate) activation_checkpointing: Checkpointing,
    pub(crate) freeze: Vec<String>,
    pub(crate) async_save: bool,
    pub(crate) measure_mfu: bool,
    pub(crate) allow_tf32: bool,
    pub(crate) bf16_weights: bool,
    pub(crate) loss_scaling: LossScaling,
    pub(crate) ema: Option<EmaConfig>,
    pub(crate) budget: Budget,
    pub(crate) keep: Keep,
    pub(crate) inject: Inject,
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
    pub(crate) fn fit_config(&self, scale: Scale, total_steps: u64) -> FitConfig {
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
    pub(crate) fn fault(&self) -> Option<Fault> {
        let Inject { nan_at, overflow_at, out_of_memory_at, memory_rows } = self.inject;
        let nan = (nan_at > 0).then_some(Fault::NanLoss { step: nan_at });
        let overflow = (overflow_at > 0).then_some(Fault::Overflow { step: overflow_at });
        let memory = Fault::OutOfMemory { step: out_of_memory_at, rows: memory_rows };
        nan.or(overflow).or((out_of_memory_at > 0).then_some(memory))
    }
}
