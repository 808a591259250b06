//! Activation functions under the names of Hugging Face configs.

use serde::{Deserialize, Serialize};
use sst_kernels::FusedActivation;
use tch::Tensor;

use crate::error::Result;

/// The mean and the deviation of Laplace as transformers has them: roots of 1 / 2 and of 1 / 4 pi, to six digits.
#[allow(
    clippy::approx_constant,
    reason = "the numbers of transformers, and not those they stand for"
)]
const LAPLACE_MEAN: f64 = 0.707_107;
const LAPLACE_DEVIATION: f64 = 0.282_095;

/// An activation, named as `hidden_act` is in a config.json: all of transformers but the two that have
/// parameters of their own (`prelu`, `xielu`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Exact GELU (Hendrycks and Gimpel 2016).
    Gelu,
    /// The same under its name in older files.
    GeluPython,
    /// Exact GELU, cut to `-10..10`.
    #[serde(rename = "gelu_10")]
    Gelu10,
    /// GELU by the tanh approximation.
    GeluNew,
    /// The same approximation under its other name.
    GeluPytorchTanh,
    /// The same approximation under its third name.
    GeluFast,
    /// The same approximation under its fourth name.
    GeluAccurate,
    /// The same approximation under its fifth name.
    GeluPythonTanh,
    /// `x * sigmoid(1.702 x)`.
    QuickGelu,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)` squared (So et al. 2021, "Primer").
    Relu2,
    /// `max(x, 0)`, 6 at most.
    Relu6,
    /// `x` above 0, `0.01 x` below.
    LeakyRelu,
    /// `x * sigmoid(x)`.
    Silu,
    /// Silu under its other name.
    Swish,
    /// `x * relu6(x + 3) / 6`.
    Hardswish,
    /// `x * tanh(softplus(x))` (Misra 2019).
    Mish,
    /// The integral of a normal distribution near the square of ReLU (Ma et al. 2022, "Mega").
    Laplace,
    /// The root of `log(1 + exp(x))`.
    Sqrtsoftplus,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// Nothing.
    Linear,
}

impl Activation {
    /// What stands for it between two products, if anything.
    pub(super) fn curve(self) -> Option<FusedActivation> {
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
            Self::QuickGelu => x.f_mul(&x.f_mul_scalar(1.702)?.f_sigmoid()?)?,
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
