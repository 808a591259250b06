//! Loss scaling for fp16 (Micikevicius et al. 2018, "Mixed Precision Training", section 3.2), with the
//! scale adjusted as PyTorch's `GradScaler` does.
//!
//! The loss is multiplied by the scale before backward, so that small gradients do not vanish in fp16,
//! and the gradients are divided by it before they are clipped. When one of them overflowed, the step is
//! skipped and the scale falls; after many good steps it rises.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::error::TrainError;
use crate::optim::Gradients;
use crate::setting;

/// Below this scale a gradient that overflows is larger than 2^30: no matter of fp16's range.
pub const MIN_SCALE: f32 = 1.0 / 16_384.0;

/// How the scale moves. The defaults are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossScaling {
    /// The first scale.
    #[serde(deserialize_with = "finite")]
    pub init_scale: f32,
    /// What it is multiplied by after `growth_interval` good steps in a row.
    #[serde(deserialize_with = "finite")]
    pub growth_factor: f32,
    /// What it is multiplied by after a step that overflowed.
    #[serde(deserialize_with = "finite")]
    pub backoff_factor: f32,
    /// Good steps in a row until it grows.
    pub growth_interval: u64,
}

/// A number that fp32 holds: 1e308 would become infinity, which no configuration file can hold.
fn finite<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f32, D::Error> {
    let wide = f64::deserialize(from)?;
    let number = wide as f32;
    match number.is_finite() {
        true => Ok(number),
        false => Err(serde::de::Error::custom(format!("{wide:e} is beyond what fp32 holds"))),
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
    /// # Errors
    /// If the scale could not move as the names say.
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

/// What a resumed run needs of a [`Scaler`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScalerState {
    /// The scale of the next step.
    pub scale: f32,
    /// Good steps since the scale last moved.
    pub good_steps: u64,
}

/// The scale of the loss, and what moves it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler {
    config: LossScaling,
    state: ScalerState,
}

impl Scaler {
    /// A scaler that goes on from `state`, or starts.
    ///
    /// # Errors
    /// If a setting cannot be.
    pub fn new(config: LossScaling, state: Option<ScalerState>) -> Result<Self, TrainError> {
        config.check()?;
        let start = ScalerState { scale: config.init_scale, good_steps: 0 };
        Ok(Self { config, state: state.unwrap_or(start) })
    }

    /// The scale, and how long it has stood.
    pub fn state(&self) -> ScalerState {
        self.state
    }

    /// `loss` times the scale.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn scale(&self, loss: &Tensor) -> Result<Tensor, TrainError> {
        Ok(loss.f_mul_scalar(f64::from(self.state.scale))?)
    }

    /// Divides the gradients by the scale in place. Those that overflowed stay infinite or NaN, and so
    /// does their norm: [`Scaler::accepts`] looks at that.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn unscale(&self, gradients: &Gradients) -> Result<(), TrainError> {
        let Some(first) = gradients.iter().next() else { return Ok(()) };
        let inv_scale = Tensor::from(1.0 / self.state.scale).f_to_device(first.device())?;
        // The norm says the same of all gradients at once.
        let _found_inf = sst_kernels::unscale(gradients.iter(), &inv_scale)?;
        Ok(())
    }

    /// Moves the scale for a step whose loss and gradient norm were these. False if the step has to be
    /// skipped. True also if it is bad and no smaller scale can mend it: when the loss is not finite at a
    /// scale of 1 or less, for the forward pass knows no scale, and when a gradient overflows at
    /// [`MIN_SCALE`].
    pub fn accepts(&mut self, loss: f64, grad_norm: f64) -> bool {
        let ScalerState { scale, good_steps } = &mut self.state;
        if loss.is_finite() && grad_norm.is_finite() {
            *good_steps += 1;
            if *good_steps >= self.config.growth_interval {
                let grown = *scale * self.config.growth_factor;
                // As PyTorch: a scale that would itself overflow stays.
                *scale = if grown.is_finite() { grown } else { *scale };
                *good_steps = 0;
            }
            return true;
        }
        let floor = if loss.is_finite() { MIN_SCALE } else { 1.0 };
        if *scale <= floor {
            return true;
        }
        self.back_off();
        false
    }

    /// Lowers the scale from what it was before a step that overflowed on another rank.
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
