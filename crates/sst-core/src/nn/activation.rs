//! Activation functions, under the names of Hugging Face configs.

use serde::{Deserialize, Serialize};
use sst_kernels::FusedActivation;
use tch::Tensor;

use crate::error::Result;

/// The mean and the standard deviation of `Laplace` in transformers: the roots of 1 / 2 and of 1 / (4 pi), to six
/// digits.
#[allow(
    clippy::approx_constant,
    reason = "the numbers of transformers, and not those they stand for"
)]
const LAPLACE_MEAN: f64 = 0.707_107;
const LAPLACE_DEVIATION: f64 = 0.282_095;

/// The factor in `QuickGelu`: it is `silu(factor * x) / factor`.
pub(super) const QUICK_SCALE: f64 = 1.702;

/// An activation function in the spelling of `hidden_act` in a config.json. All of transformers' functions are here,
/// except for the two with parameters (`prelu`, `xielu`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Exact GELU (Hendrycks and Gimpel 2016).
    Gelu,
    /// The same function under its name in older files.
    GeluPython,
    /// Exact GELU, clipped to `-10..10`.
    #[serde(rename = "gelu_10")]
    Gelu10,
    /// GELU with the tanh approximation.
    GeluNew,
    /// Another name of `GeluNew`.
    GeluPytorchTanh,
    /// Another name of `GeluNew`.
    GeluFast,
    /// Another name of `GeluNew`.
    GeluAccurate,
    /// Another name of `GeluNew`.
    GeluPythonTanh,
    /// `x * sigmoid(1.702 x)`.
    QuickGelu,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)` squared (So et al. 2021, "Primer").
    Relu2,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x` above 0, `0.01 x` below.
    LeakyRelu,
    /// `x * sigmoid(x)`.
    Silu,
    /// Another name of `Silu`.
    Swish,
    /// `x * relu6(x + 3) / 6`.
    Hardswish,
    /// `x * tanh(softplus(x))` (Misra 2019).
    Mish,
    /// The cumulative distribution function of a normal distribution that approximates squared ReLU (Ma et al. 2022,
    /// "Mega").
    Laplace,
    /// `sqrt(log(1 + exp(x)))`.
    Sqrtsoftplus,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// The identity.
    Linear,
}

impl Activation {
    /// The activation that kernels of linear layers can apply to their result, if they have this one.
    pub(super) fn fused(self) -> Option<FusedActivation> {
        match self {
            Self::Gelu | Self::GeluPython => Some(FusedActivation::Gelu),
            Self::GeluNew
            | Self::GeluPytorchTanh
            | Self::GeluFast
            | Self::GeluAccurate
            | Self::GeluPythonTanh => Some(FusedActivation::GeluTanh),
            _ => None,
        }
    }

    /// Applies it element by element.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Gelu | Self::GeluPython => x.f_gelu("none")?,
            Self::Gelu10 => x.f_gelu("none")?.f_clamp(-10.0, 10.0)?,
            Self::GeluNew
            | Self::GeluPytorchTanh
            | Self::GeluFast
            | Self::GeluAccurate
            | Self::GeluPythonTanh => x.f_gelu("tanh")?,
            // The same by SiLU, whose forward and backward pass are one operator each.
            Self::QuickGelu => {
                x.f_mul_scalar(QUICK_SCALE)?.f_silu()?.f_mul_scalar(1.0 / QUICK_SCALE)?
            }
            Self::Relu => x.f_relu()?,
            Self::Relu2 => x.f_relu()?.f_square()?,
            Self::Relu6 => x.f_clamp(0.0, 6.0)?,
            Self::LeakyRelu => x.f_leaky_relu()?,
            Self::Silu | Self::Swish => x.f_silu()?,
            Self::Hardswish => x.f_hardswish()?,
            Self::Mish => x.f_mish()?,
            Self::Laplace => {
                let scale = LAPLACE_DEVIATION * std::f64::consts::SQRT_2;
                let inner = x.f_sub_scalar(LAPLACE_MEAN)?.f_div_scalar(scale)?;
                inner.f_erf()?.f_add_scalar(1.0)?.f_mul_scalar(0.5)?
            }
            Self::Sqrtsoftplus => x.f_softplus()?.f_sqrt()?,
            Self::Sigmoid => x.f_sigmoid()?,
            Self::Tanh => x.f_tanh()?,
            Self::Linear => x.shallow_clone(),
        })
    }
}
