//! The linear layer of GPT-2, whose weight is transposed compared to PyTorch's Linear.

use sst_core::nn::conv1d;
use sst_core::{Init, Result, Scope};
use sst_kernels::Affine;
use tch::Tensor;

/// `y = x W + b`.
#[derive(Debug)]
pub(super) struct Conv1d {
    /// `[in, out]`.
    weight: Tensor,
    bias: Tensor,
}

impl Conv1d {
    pub(super) fn new(scope: &Scope<'_>, input: i64, output: i64, std: f64) -> Result<Self> {
        let weight = scope.param("weight", &[input, output], Init::Normal(std))?;
        let bias = scope.param("bias", &[output], Init::Zeros)?;
        Ok(Self { weight, bias })
    }

    /// A second handle on the same parameters.
    pub(super) fn handle(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.shallow_clone() }
    }

    /// The parameters, for a call that runs several layers.
    pub(super) fn affine(&self) -> Affine<'_> {
        Affine { weight: &self.weight, bias: Some(&self.bias) }
    }

    /// Applies the layer to `[t, in]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        conv1d(x, &self.weight, &self.bias)
    }
}
