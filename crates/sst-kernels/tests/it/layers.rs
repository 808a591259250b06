//! Layers as the callers of this crate run them: with a kernel if there is one for the tensors, and with libtorch
//! otherwise. So the tests hold at every CPU level.

use sst_kernels::{
    Affine, FusedActivation, Result, WeightLayout, fast_activated_linear, fast_linear, fast_mlp,
    has_linear_kernel, has_mlp_kernel,
};
use tch::Tensor;

/// The activation between two linear layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Activation {
    /// Exact GELU, which kernels apply themselves.
    Gelu,
    /// GELU by the tanh approximation, which kernels apply themselves.
    GeluTanh,
    /// ReLU, for which there is no kernel.
    Relu,
}

impl Activation {
    pub(crate) fn fused(self) -> Option<FusedActivation> {
        match self {
            Self::Gelu => Some(FusedActivation::Gelu),
            Self::GeluTanh => Some(FusedActivation::GeluTanh),
            Self::Relu => None,
        }
    }

    /// Applies the activation with libtorch.
    pub(crate) fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::Gelu => x.gelu("none"),
            Self::GeluTanh => x.gelu("tanh"),
            Self::Relu => x.relu(),
        }
    }
}

/// `x W^T + b` for a weight `[out, in]`.
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    if has_linear_kernel(x, weight)? {
        return fast_linear(x, weight, WeightLayout::OutIn, bias);
    }
    Ok(x.f_linear(weight, bias)?)
}

/// `x W + b` for a weight `[in, out]`.
pub(crate) fn conv1d(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if has_linear_kernel(x, weight)? {
        return fast_linear(x, weight, WeightLayout::InOut, Some(bias));
    }
    Ok(bias.f_addmm(x, weight)?)
}

/// The activation of [`linear`].
pub(crate) fn activated_linear(
    x: &Tensor,
    layer: Affine<'_>,
    activation: Activation,
) -> Result<Tensor> {
    if let Some(fused) = activation.fused()
        && let Some(y) = fast_activated_linear(x, layer, WeightLayout::OutIn, fused)?
    {
        return Ok(y);
    }
    Ok(activation.apply(&linear(x, layer.weight, layer.bias)?))
}

/// Two linear layers, both with a bias or with none, and an activation between them.
pub(crate) fn mlp(
    x: &Tensor,
    layers: [Affine<'_>; 2],
    layout: WeightLayout,
    activation: Activation,
) -> Result<Tensor> {
    let [up, down] = layers;
    if let Some(fused) = activation.fused()
        && has_mlp_kernel(x, up.weight, down.weight)?
    {
        return fast_mlp(x, layers, layout, fused);
    }
    let apply = |x: &Tensor, Affine { weight, bias }: Affine<'_>| match (layout, bias) {
        (WeightLayout::OutIn, _) => linear(x, weight, bias),
        (WeightLayout::InOut, Some(bias)) => conv1d(x, weight, bias),
        (WeightLayout::InOut, None) => Ok(x.f_matmul(weight)?),
    };
    apply(&activation.apply(&apply(x, up)?), down)
}
