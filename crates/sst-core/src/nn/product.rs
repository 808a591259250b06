//! Matrix products with weights.

use sst_kernels::{
    Affine, WeightLayout, fast_activated_linear, fast_linear, fast_mlp, has_linear_kernel,
    has_mlp_kernel,
};
use tch::{Kind, Tensor};

use super::activation::{Activation, QUICK_SCALE};
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

/// Whether the numbers between two layers are so many that it pays to scale the weights instead. Weights in a narrow type
/// would lose precision.
fn scales_weights(x: &Tensor, up: Affine<'_>) -> Result<bool> {
    Ok(up.weight.f_kind()? == Kind::Float && x.numel() > up.weight.numel() / 2)
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
    if activation == Activation::QuickGelu && scales_weights(x, up)? {
        // Scaled weights spare two passes over the hidden numbers, and two more in the backward pass.
        let weights =
            [up.weight.f_mul_scalar(QUICK_SCALE)?, down.weight.f_mul_scalar(1.0 / QUICK_SCALE)?];
        let bias = up.bias.map(|bias| bias.f_mul_scalar(QUICK_SCALE)).transpose()?;
        let layers = [
            Affine { weight: &weights[0], bias: bias.as_ref() },
            Affine { weight: &weights[1], bias: down.bias },
        ];
        return mlp(x, layers, layout, Activation::Silu);
    }
    let apply = |x: &Tensor, Affine { weight, bias }: Affine<'_>| match (layout, bias) {
        (WeightLayout::OutIn, _) => linear(x, weight, bias),
        (WeightLayout::InOut, Some(bias)) => conv1d(x, weight, bias),
        (WeightLayout::InOut, None) => Ok(x.f_matmul(weight)?),
    };
    apply(&activation.apply(&apply(x, up)?)?, down)
}
