//! A run's settings, resolved.

use tch::Device;

use crate::ema::EmaConfig;
use crate::error::TrainError;
use crate::optim::OptimizerConfig;
use crate::policy::{Policy, Retention};
use crate::precision::Precision;
use crate::profile::ProfileConfig;
use crate::scaler::LossScaling;
use crate::schedule::ScheduleConfig;
use crate::setting;

/// A run's settings, resolved: every duration in steps.
#[derive(Debug, Clone, PartialEq)]
pub struct FitConfig {
    /// Steps in all, those before a resume included.
    pub total_steps: u64,
    /// Stop once so many tokens that carry data have been seen, those before a resume included.
    pub max_tokens: Option<u64>,
    /// Stop once the run has taken so many seconds, its parts before a resume included.
    pub max_seconds: Option<f64>,
    /// The gradient's 2-norm is clipped to this.
    pub max_grad_norm: Option<f64>,
    /// Report each time so many steps are done.
    pub log_every: u64,
    /// Evaluate each time so many steps are done, and at the end.
    pub eval_every: Option<u64>,
    /// Save each time so many steps are done, and at the end.
    pub save_every: Option<u64>,
    /// Which checkpoints stay.
    pub retention: Retention,
    /// Whether checkpoints are written on a thread of their own while training goes on. They are the same
    /// either way; it takes a copy of weights and moments on the host.
    pub async_save: bool,
    /// Precision of the forward pass.
    pub precision: Precision,
    /// Whether the model computes with weights in bf16, and updates go to fp32 ones. For precision bf16.
    pub bf16_weights: bool,
    /// How the loss is scaled in fp16.
    pub loss_scaling: LossScaling,
    /// Whether CUDA may round the factors of fp32 products to TF32.
    pub allow_tf32: bool,
    /// The parameters that do not train, as [`crate::freeze`] reads them.
    pub freeze: Vec<String>,
    /// The average of the weights, if one is kept.
    pub ema: Option<EmaConfig>,
    /// What one token takes ([`sst_core::Model::flops_per_token`]). With it, the speed of matrix products
    /// is measured at the start, for about half a second, and `mfu` reported.
    pub flops_per_token: Option<f64>,
    /// What is recorded of where the time goes.
    pub profile: Option<ProfileConfig>,
    /// The seed of the run.
    pub seed: u64,
    /// Where the model is.
    pub device: Device,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The learning rate's schedule.
    pub schedule: ScheduleConfig,
}

impl Default for FitConfig {
    /// One step on the CPU with nothing optional.
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
    /// The learning rate of the update after `step` updates.
    pub fn learning_rate(&self, step: u64) -> f64 {
        self.optimizer.lr * self.schedule.lr_factor(step, self.total_steps)
    }

    /// The clocks of the run.
    pub fn policy(&self) -> Policy {
        Policy {
            total_steps: self.total_steps,
            log_every: self.log_every,
            eval_every: self.eval_every,
            save_every: self.save_every,
        }
    }

    /// # Errors
    /// If a number is one that would end the run before it began.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        let steps =
            [(setting::LOG_EVERY, self.log_every), (setting::TOTAL_STEPS, self.total_steps)];
        let none = steps.into_iter().find(|(_, steps)| *steps == 0);
        let (setting, reason) = if let Some((setting, _)) = none {
            (setting, "must be at least 1 step")
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
