//! Linear layers of a few rows, as when text is generated: a product that runs as fast as its weights come out
//! of memory. libtorch's runs at a third to half of that for fewer than some twenty rows.

mod kernel;

use kernel::{Problem, chunks, run};
use tch::{Device, Kind, Tensor};

use super::autocast::product_kind;
use super::grad::grad_enabled;
use super::number::Level;
use super::parallel::parallel;
use crate::error::{Error, Result};

/// Above it libtorch's product, which reads each weight for more rows, is as fast.
const MOST_ROWS: i64 = 16;

/// How the weight of a linear layer lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `[out, in]`, as of PyTorch's Linear.
    OutIn,
    /// `[in, out]`, as of GPT-2's Conv1D.
    InOut,
}

/// Whether [`few_rows_linear`] takes such tensors and is the better way: `x` is `[n, in]` with few rows, both are
/// fp32 on the CPU, and neither gradients nor autocast are on.
///
/// # Errors
/// If libtorch fails.
pub fn has_few_rows_kernel(x: &Tensor, weight: &Tensor) -> Result<bool> {
    let fits = |tensor: &Tensor| {
        tensor.device() == Device::Cpu && tensor.kind() == Kind::Float && tensor.dim() == 2
    };
    if !fits(x) || !fits(weight) || !(1..=MOST_ROWS).contains(&x.size()[0]) {
        return Ok(false);
    }
    Ok(weight.is_contiguous() && !grad_enabled()? && product_kind(x)? == Kind::Float)
}

/// `x W^T + b` or `x W + b`, as the layout says, for `x` of `[n, in]`. A row's result does not depend on the
/// others'. Not differentiable.
///
/// # Errors
/// If [`has_few_rows_kernel`] does not hold, widths differ, or libtorch fails.
pub fn few_rows_linear(
    x: &Tensor,
    weight: &Tensor,
    layout: Layout,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let broken = |what: &str| Err(Error::Contract(format!("product of few rows: {what}")));
    if !has_few_rows_kernel(x, weight)? {
        return broken("a few rows of fp32 on the CPU are needed, without gradients and autocast");
    }
    let (rows, width) = x.size2()?;
    let (input, output) = match (weight.size2()?, layout) {
        ((output, input), Layout::OutIn) | ((input, output), Layout::InOut) => (input, output),
    };
    if width != input {
        return broken("the weight has another width");
    }
    let bias = match bias {
        Some(bias) if bias.size() != [output] || bias.device() != Device::Cpu => {
            return broken("the bias has another width or device");
        }
        Some(bias) => Some(bias.f_to_kind(Kind::Float)?.f_contiguous()?),
        None => None,
    };
    let x = x.f_contiguous()?;
    let y = Tensor::f_empty([rows, output], (Kind::Float, Device::Cpu))?;
    let problem = Problem {
        x: x.data_ptr().cast(),
        weight: weight.data_ptr().cast(),
        bias: bias.as_ref().map_or(std::ptr::null(), |bias| bias.data_ptr().cast()),
        y: y.data_ptr().cast(),
        rows: rows as usize,
        input: input as usize,
        output: output as usize,
        layout,
    };
    let level = Level::detect();
    // SAFETY: contiguous tensors of the sizes that stand in the problem, alive until all threads have returned;
    // each chunk of outputs is written by one of them.
    parallel(c"sst::few_rows_linear", chunks(&problem), |chunk| unsafe {
        run(level, &problem, chunk);
    })?;
    Ok(y)
}
