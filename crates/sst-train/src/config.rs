//! The settings of a run.

use tch::Device;

use crate::early_stopping::EarlyStopping;
use crate::ema::EmaConfig;
use crate::error::TrainError;
use crate::optim::OptimizerConfig;
use crate::policy::{Policy, Retention};
use crate::precision::Precision;
use crate::profile::ProfileConfig;
use crate::scaler::LossScaling;
use crate::schedule::ScheduleConfig;
use crate::setting;
use crate::unfreeze::Unfreeze;

/// The settings of a run, with every duration converted to steps.
#[derive(Debug, Clone, PartialEq)]
pub struct FitConfig {
    /// The number of steps, including the steps before a resume.
    pub total_steps: u64,
    /// Stop once the run has trained on this many tokens. Padding does not count; tokens before a resume do.
    pub max_tokens: Option<u64>,
    /// Stop once the run has taken this many seconds, including the time before a resume.
    pub max_seconds: Option<f64>,
    /// The largest 2-norm of all gradients together; larger gradients are scaled down to it. `None` for no clipping.
    pub max_grad_norm: Option<f64>,
    /// The number of steps between two reports of training metrics. The last step is always reported.
    pub log_every: u64,
    /// The number of steps between two evaluations. The model is always evaluated after the last step.
    pub eval_every: Option<u64>,
    /// The number of steps between two checkpoints. A checkpoint is always written after the last step.
    pub save_every: Option<u64>,
    /// Which checkpoints are kept.
    pub retention: Retention,
    /// Whether a separate thread writes the checkpoints while training goes on. The checkpoints are the same either
    /// way. Meanwhile the host holds a copy of the weights and of the optimiser state.
    pub async_save: bool,
    /// The precision of the forward pass.
    pub precision: Precision,
    /// Whether the model computes with bf16 weights, while the optimiser updates fp32 master weights. Only for
    /// [`Precision::Bf16`].
    pub bf16_weights: bool,
    /// How the loss is scaled in fp16.
    pub loss_scaling: LossScaling,
    /// Whether CUDA may use TF32 in fp32 matrix products.
    pub allow_tf32: bool,
    /// Patterns for the names of the parameters that are not trained. [`crate::freeze`] describes them.
    pub freeze: Vec<String>,
    /// Which layers are trained; `None` for all of them from the first step on.
    pub unfreeze: Option<Unfreeze>,
    /// Ends the run when the metric that decides which checkpoints are best has not improved; `None` for never.
    pub early_stopping: Option<EarlyStopping>,
    /// The moving average of the weights; `None` for none.
    pub ema: Option<EmaConfig>,
    /// The floating-point operations of training on one token ([`sst_core::Model::flops_per_token`]). If it is given,
    /// the run first measures the speed of matrix products, for about half a second, and then reports the model FLOPs
    /// utilisation `mfu`.
    pub flops_per_token: Option<f64>,
    /// The settings of the profiler; `None` for no profile.
    pub profile: Option<ProfileConfig>,
    /// The seed of the run.
    pub seed: u64,
    /// The device of the model.
    pub device: Device,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The learning rate schedule.
    pub schedule: ScheduleConfig,
}

impl Default for FitConfig {
    /// One step on the CPU in fp32, with gradients clipped to 1 and no optional feature.
    fn default() -> Self {
        Self {
            total_steps: 1,
            max_tokens: None,
            max_seconds: None,
            max_grad_norm: Some(1.0),
            log_every: 1,
            eval_every: None,
            save_every: None,
            retention: Retention::default(),
            async_save: true,
            precision: Precision::Fp32,
            bf16_weights: false,
            loss_scaling: LossScaling::default(),
            allow_tf32: false,
            freeze: Vec::new(),
            unfreeze: None,
            early_stopping: None,
            ema: None,
            flops_per_token: None,
            profile: None,
            seed: 0,
            device: Device::Cpu,
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleConfig::default(),
        }
    }
}

impl FitConfig {
    /// The learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        self.optimizer.lr * self.schedule.lr_factor(step, self.total_steps)
    }

    /// When the run logs, evaluates and saves.
    pub fn policy(&self) -> Policy {
        Policy {
            total_steps: self.total_steps,
            log_every: self.log_every,
            eval_every: self.eval_every,
            save_every: self.save_every,
        }
    }

    /// Checks the values that a run cannot start with.
    ///
    /// # Errors
    /// If a value is out of its range, or two settings exclude each other.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        let steps =
            [(setting::LOG_EVERY, self.log_every), (setting::TOTAL_STEPS, self.total_steps)];
        let none = steps.into_iter().find(|(_, steps)| *steps == 0);
        let is_bad = |stop: EarlyStopping| {
            stop.patience == 0 || stop.min_delta.is_nan() || stop.min_delta < 0.0
        };
        let (setting, reason) = if let Some((setting, _)) = none {
            (setting, "must be at least 1 step")
        } else if self.early_stopping.is_some_and(is_bad) {
            (
                setting::EARLY_STOPPING,
                "needs a patience of at least 1 and a least change of 0 or more",
            )
        } else if self.max_tokens == Some(0) {
            (setting::MAX_TOKENS, "must be at least 1 token")
        } else if self.max_seconds.is_some_and(|seconds| seconds.is_nan() || seconds <= 0.0) {
            (setting::MAX_SECONDS, "must be more than 0 seconds")
        } else if self.bf16_weights && self.precision != Precision::Bf16 {
            (setting::BF16_WEIGHTS, "is for `precision` bf16")
        } else if self.flops_per_token.is_some_and(|flops| !(flops > 0.0 && flops.is_finite())) {
            (setting::FLOPS_PER_TOKEN, "must be above 0 and finite")
        } else {
            return Ok(());
        };
        Err(TrainError::Config { setting, reason: reason.into() })
    }
}
