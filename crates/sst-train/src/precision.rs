//! The precision of the forward pass. Weights, gradients and moments are always fp32.

use serde::{Deserialize, Serialize};
use sst_core::ext::{self, Autocast};
use tch::{Device, Kind};

/// The precision of matrix products in the forward pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit throughout.
    #[default]
    Fp32,
    /// bfloat16 under autocast (Micikevicius et al. 2018, "Mixed Precision Training", without the loss
    /// scaling, which bf16's range makes needless).
    Bf16,
}

impl Precision {
    /// Switches autocast on until the guard is dropped. Take one for each forward pass and drop it before
    /// backward: leaving it empties the cache of cast weights, so that no step sees old ones.
    ///
    /// # Errors
    /// If libtorch refuses the type on `device`.
    pub fn autocast(self, device: Device) -> sst_core::Result<Option<Autocast>> {
        match self {
            Self::Fp32 => Ok(None),
            Self::Bf16 => ext::autocast(device, Some(Kind::BFloat16)).map(Some),
        }
    }
}
