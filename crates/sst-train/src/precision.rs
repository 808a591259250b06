//! The precision of the forward pass. Moments are always fp32, and so are the
//! weights that are updated; [`crate::FitConfig::bf16_weights`] has bf16 copies beside them.

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
    /// 16-bit floats under autocast with a scaled loss ([`crate::scaler`]). For accelerators without bf16:
    /// the host waits for the gradients of each step, to know whether it has to be skipped.
    Fp16,
}

impl Precision {
    /// Switches autocast on until the guard is dropped. Take one for each forward pass and drop it before
    /// backward: leaving it empties the cache of cast weights, so that no step sees old ones.
    ///
    /// # Errors
    /// If libtorch refuses the type on `device`.
    pub fn autocast(self, device: Device) -> sst_core::Result<Option<Autocast>> {
        match self.kind() {
            Kind::Float => Ok(None),
            kind => ext::autocast(device, Some(kind)).map(Some),
        }
    }

    /// The type of the factors of matrix products.
    pub fn kind(self) -> Kind {
        match self {
            Self::Fp32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
            Self::Fp16 => Kind::Half,
        }
    }
}
