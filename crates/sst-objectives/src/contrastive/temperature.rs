//! The temperature, by which cosine similarities are divided: a fixed number or a trained parameter.

use sst_core::{Error, Init, ParamStore, Result};
use tch::Tensor;

/// The maximum of the logit scale (1 / temperature) if the temperature is learned. CLIP clips it at 100 because training
/// was unstable above (Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision",
/// section 2.5).
pub(crate) const MAX_SCALE: f64 = 100.0;

/// The temperature of a contrastive loss.
#[derive(Debug, Clone, Copy)]
pub enum Temperature<'a> {
    /// This number, which must be above 0.
    Fixed(f64),
    /// The scalar is the logarithm of the logit scale, and the temperature is `exp(-scalar)`, which is always above 0.
    Learned(&'a Tensor),
}

impl Temperature<'_> {
    /// The cosine similarities divided by the temperature.
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

/// A trained temperature.
#[derive(Debug)]
pub(super) struct LearnedTemperature {
    /// The logarithm of 1 / temperature, a scalar.
    log_scale: Tensor,
}

impl LearnedTemperature {
    /// Creates the parameter `log_scale` with the initial value `-ln(temperature)`. It has no weight decay, because it is
    /// a scalar.
    pub(super) fn new(params: &mut ParamStore, temperature: f64) -> Result<Self> {
        let log_scale = params.add("log_scale", &[], Init::Constant(-temperature.ln()))?;
        Ok(Self { log_scale })
    }

    pub(super) fn get(&self) -> Temperature<'_> {
        Temperature::Learned(&self.log_scale)
    }

    /// The temperature, a detached scalar.
    pub(super) fn value(&self) -> Result<Tensor> {
        Ok(self.log_scale.f_detach()?.f_neg()?.f_exp()?)
    }

    /// Clamps the logit scale to [`MAX_SCALE`], so that the temperature is at least 0.01.
    pub(super) fn clamp(&self) -> Result<()> {
        let mut log_scale = self.log_scale.shallow_clone();
        let _ = tch::no_grad(|| log_scale.f_clamp_max_(MAX_SCALE.ln()))?;
        Ok(())
    }
}
