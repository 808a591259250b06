//! Activation functions under the names of Hugging Face configs.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::error::Result;
use crate::ext::Curve;

/// An activation, named as `hidden_act` is in a config.json.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Exact GELU (Hendrycks and Gimpel 2016).
    Gelu,
    /// GELU by the tanh approximation.
    GeluNew,
    /// The same approximation under its other name.
    GeluPytorchTanh,
    /// The same approximation under its third name.
    GeluFast,
    /// `x * sigmoid(1.702 x)`.
    QuickGelu,
    /// `max(x, 0)`.
    Relu,
    /// `x * sigmoid(x)`.
    Silu,
    /// Silu under its other name.
    Swish,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// What stands for it between two products, if anything.
    pub(super) fn curve(self) -> Option<Curve> {
        match self {
            Self::Gelu => Some(Curve::Gelu),
            Self::GeluNew | Self::GeluPytorchTanh | Self::GeluFast => Some(Curve::GeluTanh),
            _ => None,
        }
    }

    /// Applies it element by element.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Gelu => x.f_gelu("none")?,
            Self::GeluNew | Self::GeluPytorchTanh | Self::GeluFast => x.f_gelu("tanh")?,
            Self::QuickGelu => x.f_mul(&x.f_mul_scalar(1.702)?.f_sigmoid()?)?,
            Self::Relu => x.f_relu()?,
            Self::Silu | Self::Swish => x.f_silu()?,
            Self::Tanh => x.f_tanh()?,
        })
    }
}
