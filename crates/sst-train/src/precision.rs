//! The precision of the forward pass. Moments are always fp32, and so are the
//! weights that are updated; [`crate::FitConfig::bf16_weights`] has bf16 copies beside them.

use serde::{Deserialize, Serialize};
use sst_kernels::{Autocast, CpuLevel};
use tch::{Device, Kind};

/// A precision as it is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    /// The one that [`PrecisionChoice::on`] finds.
    #[default]
    Auto,
    /// [`Precision::Fp32`].
    Fp32,
    /// [`Precision::Bf16`].
    Bf16,
    /// [`Precision::Fp16`].
    Fp16,
}

/// NVIDIA's first compute capability with bf16 matrix units: Ampere.
const AMPERE: i32 = 8;

impl PrecisionChoice {
    /// The precision on `device`. `Auto` is bf16 where the device multiplies it faster than fp32: a processor with
    /// AVX-512 bf16 or AMX, or a GPU of compute capability 8 or higher. Elsewhere it is fp32.
    ///
    /// # Errors
    /// If the GPU cannot be asked.
    pub fn on(self, device: Device) -> sst_core::Result<Precision> {
        Ok(match self {
            Self::Fp32 => Precision::Fp32,
            Self::Bf16 => Precision::Bf16,
            Self::Fp16 => Precision::Fp16,
            Self::Auto if has_fast_bf16(device)? => Precision::Bf16,
            Self::Auto => Precision::Fp32,
        })
    }
}

impl From<Precision> for PrecisionChoice {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Fp32 => Self::Fp32,
            Precision::Bf16 => Self::Bf16,
            Precision::Fp16 => Self::Fp16,
        }
    }
}

fn has_fast_bf16(device: Device) -> sst_core::Result<bool> {
    match device {
        Device::Cpu => Ok(CpuLevel::current().has_fast_bf16()),
        Device::Cuda(index) => Ok(sst_kernels::cuda_capability(index)? >= AMPERE),
        _ => Ok(false),
    }
}

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
            kind => Ok(Some(sst_kernels::autocast(device, Some(kind))?)),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
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
