//! Loss scaling for fp16 (Micikevicius et al. 2018, "Mixed Precision Training", section 3.2). The scale is adjusted in
//! the same way as by PyTorch's `GradScaler`.
//!
//! The loss is multiplied by the scale before the backward pass, so that small gradients do not become zero in fp16.
//! The gradients are divided by the scale before they are clipped. If one of them has overflowed, the step is skipped
//! and the scale becomes smaller. After many steps without an overflow the scale becomes larger.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::error::TrainError;
use crate::optim::Gradients;
use crate::setting;

/// The smallest scale. A gradient that overflows even at this scale is larger than 2^30, so the range of fp16 is not
/// the cause.
pub const MIN_SCALE: f32 = 1.0 / 16_384.0;

/// How the scale is adjusted. The defaults are those of PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossScaling {
    /// The first scale.
    #[serde(deserialize_with = "finite")]
    pub init_scale: f32,
    /// The factor on the scale after `growth_interval` steps in a row without an overflow.
    #[serde(deserialize_with = "finite")]
    pub growth_factor: f32,
    /// The factor on the scale after a step that overflowed.
    #[serde(deserialize_with = "finite")]
    pub backoff_factor: f32,
    /// The number of steps in a row without an overflow after which the scale grows.
    pub growth_interval: u64,
}

/// Reads a number that is finite in fp32. A larger number, such as 1e308, would become infinity, which no configuration
/// file can hold.
fn finite<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let wide = f64::deserialize(deserializer)?;
    let number = wide as f32;
    match number.is_finite() {
        true => Ok(number),
        false => Err(serde::de::Error::custom(format!("{wide:e} is outside the range of fp32"))),
    }
}

impl Default for LossScaling {
    fn default() -> Self {
        Self {
            init_scale: 65_536.0,
            growth_factor: 2.0,
            backoff_factor: 0.5,
            growth_interval: 2000,
        }
    }
}

impl LossScaling {
    /// Checks the range of each setting.
    ///
    /// # Errors
    /// If a setting is out of its range.
    fn check(&self) -> Result<(), TrainError> {
        let (setting, reason) = if !(self.init_scale >= MIN_SCALE && self.init_scale.is_finite()) {
            (setting::INIT_SCALE, format!("must be at least {MIN_SCALE} and finite"))
        } else if !(self.growth_factor > 1.0 && self.growth_factor.is_finite()) {
            (setting::GROWTH_FACTOR, "must be above 1 and finite".to_owned())
        } else if !(self.backoff_factor > 0.0 && self.backoff_factor < 1.0) {
            (setting::BACKOFF_FACTOR, "must be between 0 and 1".to_owned())
        } else if self.growth_interval == 0 {
            (setting::GROWTH_INTERVAL, "must be at least 1 step".to_owned())
        } else {
            return Ok(());
        };
        Err(TrainError::Config { setting, reason })
    }
}

/// The state of a [`Scaler`], which a checkpoint saves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScalerState {
    /// The scale of the next step.
    pub scale: f32,
    /// The number of steps without an overflow since the scale was last changed.
    pub good_steps: u64,
}

/// The scale of the loss, with the rule that adjusts it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler {
    config: LossScaling,
    state: ScalerState,
}

impl Scaler {
    /// A scaler that continues from `state`, or starts with `config.init_scale`.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(config: LossScaling, state: Option<ScalerState>) -> Result<Self, TrainError> {
        config.check()?;
        let start = ScalerState { scale: config.init_scale, good_steps: 0 };
        Ok(Self { config, state: state.unwrap_or(start) })
    }

    /// The current scale, and the number of steps without an overflow.
    pub fn state(&self) -> ScalerState {
        self.state
    }

    /// `loss`, a scalar, times the scale.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn scale(&self, loss: &Tensor) -> Result<Tensor, TrainError> {
        Ok(loss.f_mul_scalar(f64::from(self.state.scale))?)
    }

    /// Divides the gradients by the scale, in place. Gradients that have overflowed stay infinite or NaN, so their norm
    /// is not finite either, which [`Scaler::accepts`] checks.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn unscale(&self, gradients: &Gradients) -> Result<(), TrainError> {
        let Some(first) = gradients.iter().next() else { return Ok(()) };
        let inv_scale = Tensor::from(1.0 / self.state.scale).f_to_device(first.device())?;
        // `found_inf` is not needed: the norm of all gradients is checked instead.
        let _found_inf = sst_kernels::unscale(gradients.iter(), &inv_scale)?;
        Ok(())
    }

    /// Adjusts the scale after a step with this loss and this gradient norm. Returns false if the step has to be
    /// skipped.
    ///
    /// It returns true for a step that is not finite if no smaller scale can help, so that the caller reports an error
    /// and does not skip steps forever. This is so if a gradient overflows at [`MIN_SCALE`], or if the loss itself is
    /// not finite at a scale of 1 or less: the scale does not change the forward pass.
    pub fn accepts(&mut self, loss: f64, grad_norm: f64) -> bool {
        let ScalerState { scale, good_steps } = &mut self.state;
        if loss.is_finite() && grad_norm.is_finite() {
            *good_steps += 1;
            if *good_steps >= self.config.growth_interval {
                let grown = *scale * self.config.growth_factor;
                // A scale that would itself overflow is kept, as in PyTorch.
                *scale = if grown.is_finite() { grown } else { *scale };
                *good_steps = 0;
            }
            return true;
        }
        let smallest = if loss.is_finite() { MIN_SCALE } else { 1.0 };
        if *scale <= smallest {
            return true;
        }
        self.back_off();
        false
    }

    /// Lowers the scale after a step that overflowed on another rank. `before` is the state before the step, which this
    /// rank has counted as one without an overflow.
    pub(crate) fn back_off_from(&mut self, before: ScalerState) {
        self.state = before;
        self.back_off();
    }

    /// Lowers the scale after a step that overflowed.
    fn back_off(&mut self) {
        self.state.scale = (self.state.scale * self.config.backoff_factor).max(MIN_SCALE);
        self.state.good_steps = 0;
    }
}
