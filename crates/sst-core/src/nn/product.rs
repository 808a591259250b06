//! Matrix products with weights.

use sst_kernels::{
    Affine, WeightLayout, fast_activated_linear, fast_linear, fast_mlp, has_linear_kernel,
    has_mlp_kernel,
};
use tch::Tensor;

use super::activation::Activation;
use crate::error::Result;

/// `x W^T + b` with a weight `[out, in]`, as in PyTorch's Linear.
///
/// # Errors
/// If widths differ, or libtorch fails.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    if has_linear_kernel(x, weight)? {
        return Ok(fast_linear(x, weight, WeightLayout::OutIn, bias)?);
    }
    Ok(x.f_linear(weight, bias)?)
}

/// The activation of [`linear`].
///
/// # Errors
/// As for [`linear`].
pub fn activated_linear(x: &Tensor, layer: Affine<'_>, activation: Activation) -> Result<Tensor> {
    if let Some(fused) = activation.fused()
        && let Some(y) = fast_activated_linear(x, layer, WeightLayout::OutIn, fused)?
    {
        return Ok(y);
    }
    activation.apply(&linear(x, layer.weight, layer.bias)?)
}

/// `x W + b` for `x` of `[n, in]` with a weight `[in, out]`, as in GPT-2's Conv1D.
///
/// # Errors
/// If widths differ, or libtorch fails.
pub fn conv1d(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if has_linear_kernel(x, weight)? {
        return Ok(fast_linear(x, weight, WeightLayout::InOut, Some(bias))?);
    }
    Ok(bias.f_addmm(x, weight)?)
}

/// Two linear layers with an activation between them. `layout` is the layout of both weights.
///
/// # Errors
/// If widths differ, or libtorch fails.
pub fn mlp(
    x: &Tensor,
    layers: [Affine<'_>; 2],
    layout: WeightLayout,
    activation: Activation,
) -> Result<Tensor> {
    let [up, down] = layers;
    if let Some(fused) = activation.fused()
        && has_mlp_kernel(x, up.weight, down.weight)?
    {
        return Ok(fast_mlp(x, layers, layout, fused)?);
    }
    let apply = |x: &Tensor, Affine { weight, bias }: Affine<'_>| match (layout, bias) {
        (WeightLayout::OutIn, _) => linear(x, weight, bias),
        (WeightLayout::InOut, Some(bias)) => conv1d(x, weight, bias),
        (WeightLayout::InOut, None) => Ok(x.f_matmul(weight)?),
    };
    apply(&activation.apply(&apply(x, up)?)?, down)
}
