//! Products with a weight.

use tch::Tensor;

use crate::error::Result;
use crate::ext::{Layout, fast_linear, has_linear_kernel};

/// `x W^T + b`, with a weight `[out, in]` as of PyTorch's Linear.
///
/// # Errors
/// If widths differ, or libtorch fails.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    if has_linear_kernel(x, weight)? {
        return fast_linear(x, weight, Layout::OutIn, bias);
    }
    Ok(x.f_linear(weight, bias)?)
}

/// `x W + b` for `x` of `[n, in]`, with a weight `[in, out]` as of GPT-2's Conv1D.
///
/// # Errors
/// If widths differ, or libtorch fails.
pub fn conv1d(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if has_linear_kernel(x, weight)? {
        return fast_linear(x, weight, Layout::InOut, Some(bias));
    }
    Ok(bias.f_addmm(x, weight)?)
}
