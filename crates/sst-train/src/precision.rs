//! The precision of the forward pass. The weights that the optimiser updates and its state are always fp32. With
//! [`crate::FitConfig::bf16_weights`] the model computes with bf16 weights.

use serde::{Deserialize, Serialize};
use sst_kernels::{Autocast, CpuLevel};
use tch::{Device, Kind};

/// The precision that a user asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    /// bf16 where it is fast and fp32 elsewhere, see [`PrecisionChoice::on`].
    #[default]
    Auto,
    /// [`Precision::Fp32`].
    Fp32,
    /// [`Precision::Bf16`].
    Bf16,
    /// [`Precision::Fp16`].
    Fp16,
}

/// The major compute capability of Ampere, the first NVIDIA GPUs whose tensor cores multiply bf16.
const AMPERE: i32 = 8;

impl PrecisionChoice {
    /// The precision on `device`. `Auto` becomes bf16 on a device that multiplies bf16 faster than fp32: a processor
    /// with AVX-512 bf16 or AMX, or a GPU of compute capability 8 or higher. On other devices it becomes fp32.
    ///
    /// # Errors
    /// If libtorch cannot tell the compute capability of the GPU.
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

/// Whether `device` multiplies bf16 faster than fp32.
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
    /// fp32, without autocast.
    #[default]
    Fp32,
    /// bf16 under autocast (Micikevicius et al. 2018, "Mixed Precision Training"). bf16 has the range of fp32, so the
    /// loss is not scaled.
    Bf16,
    /// fp16 under autocast with a scaled loss ([`crate::scaler`]), for accelerators without bf16. In each step the host
    /// waits for the gradients, to know whether the step has to be skipped.
    Fp16,
}

impl Precision {
    /// Turns autocast on until the guard is dropped; `None` for fp32, which needs none. Make a guard for each forward
    /// pass, and drop it before the backward pass: dropping it clears the cache of cast weights, which the next update
    /// makes stale.
    ///
    /// # Errors
    /// If libtorch does not support the type on `device`.
    pub fn autocast(self, device: Device) -> sst_core::Result<Option<Autocast>> {
        match self.kind() {
            Kind::Float => Ok(None),
            kind => Ok(Some(sst_kernels::autocast(device, Some(kind))?)),
        }
    }

    /// The name of the precision, as it is written in a configuration.
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
