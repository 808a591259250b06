//! What cosines are divided by: a number, or a parameter.

use sst_core::{Error, Init, ParamStore, Result};
use tch::Tensor;

/// The most that cosines are multiplied by where the temperature is learned: beyond it CLIP's training was not stable
/// (Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", section 2.5).
pub(super) const MAX_SCALE: f64 = 100.0;

/// What cosines are divided by.
#[derive(Debug, Clone, Copy)]
pub enum Temperature<'a> {
    /// This number, which must be above 0.
    Fixed(f64),
    /// The exponential of minus this scalar, so that it is above 0 whatever training does.
    Learned(&'a Tensor),
}

impl Temperature<'_> {
    /// `cosines` over the temperature.
    ///
    /// # Errors
    /// If the temperature is not above 0, or libtorch fails.
    pub(super) fn divide(self, cosines: &Tensor) -> Result<Tensor> {
        match self {
            Self::Fixed(temperature) if temperature > 0.0 && temperature.is_finite() => {
                Ok(cosines.f_div_scalar(temperature)?)
            }
            Self::Fixed(temperature) => {
                Err(Error::Contract(format!("a temperature of {temperature} is not above 0")))
            }
            Self::Learned(log_scale) => Ok(cosines.f_mul(&log_scale.f_exp()?)?),
        }
    }
}

/// A temperature that trains.
#[derive(Debug)]
pub(super) struct Learned {
    /// The logarithm of one over it, a scalar.
    log_scale: Tensor,
}

impl Learned {
    /// Makes the parameter `log_scale`, which begins at `temperature`. A scalar, it has no weight decay.
    pub(super) fn new(params: &mut ParamStore, temperature: f64) -> Result<Self> {
        let log_scale = params.add("log_scale", &[], Init::Constant(-temperature.ln()))?;
        Ok(Self { log_scale })
    }

    pub(super) fn get(&self) -> Temperature<'_> {
        Temperature::Learned(&self.log_scale)
    }

    /// Its value, a detached scalar.
    pub(super) fn value(&self) -> Result<Tensor> {
        Ok(self.log_scale.f_detach()?.f_neg()?.f_exp()?)
    }

    /// Takes it back to the least that it may be, if an update has gone below.
    pub(super) fn clip(&self) -> Result<()> {
        let mut log_scale = self.log_scale.shallow_clone();
        let _ = tch::no_grad(|| log_scale.f_clamp_max_(MAX_SCALE.ln()))?;
        Ok(())
    }
}
