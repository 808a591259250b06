//! Linear layers in fp32 without gradients, where libtorch's products leave much of the processor unused: of few
//! rows, as when text is generated, which run as fast as the weights come out of memory, and of many, on
//! processors with AVX-512.

mod few;
mod many;

use tch::{Device, Kind, Tensor};

use super::autocast::product_kind;
use super::grad::grad_enabled;
use super::number::Level;
use super::parallel::parallel;
use crate::error::{Error, Result};

/// Above it each weight is used so often that memory is no bound.
const FEW: i64 = 16;

/// How the weight of a linear layer lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `[out, in]`, as of PyTorch's Linear.
    OutIn,
    /// `[in, out]`, as of GPT-2's Conv1D.
    InOut,
}

/// What is computed; contiguous matrices of `[rows, input]`, `[rows, output]` and, for the weight, as the layout
/// says.
struct Problem {
    x: *const f32,
    weight: *const f32,
    /// Null for none.
    bias: *const f32,
    y: *mut f32,
    rows: usize,
    input: usize,
    output: usize,
    layout: Layout,
}

// SAFETY: each chunk of `y` is written by one thread, and the rest is only read.
unsafe impl Sync for Problem {}

impl Problem {
    /// # Safety
    /// There must be such an output.
    #[inline(always)]
    unsafe fn bias(&self, output: usize) -> f32 {
        // SAFETY: there is one for each output, or none.
        if self.bias.is_null() { 0.0 } else { unsafe { *self.bias.add(output) } }
    }
}

/// Whether [`fast_linear`] takes such tensors and is the better way: both have two dimensions and are fp32 on the CPU,
/// neither gradients nor autocast are on, and there are few rows or the processor has AVX-512.
///
/// # Errors
/// If libtorch fails.
pub fn has_linear_kernel(x: &Tensor, weight: &Tensor) -> Result<bool> {
    let fits = |tensor: &Tensor| {
        tensor.device() == Device::Cpu && tensor.kind() == Kind::Float && tensor.dim() == 2
    };
    if !fits(x) || !fits(weight) || x.numel() == 0 || weight.numel() == 0 {
        return Ok(false);
    }
    let is_fast = x.size()[0] <= FEW || Level::detect().is_avx512();
    Ok(is_fast && weight.is_contiguous() && !grad_enabled()? && product_kind(x)? == Kind::Float)
}

/// `x W^T + b` or `x W + b`, as the layout says, for `x` of `[n, in]`. Of up to 16 rows none's result depends on the
/// others. Not differentiable.
///
/// # Errors
/// If [`has_linear_kernel`] does not hold, widths differ, or libtorch fails.
pub fn fast_linear(
    x: &Tensor,
    weight: &Tensor,
    layout: Layout,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let broken = |what: &str| Err(Error::Contract(format!("linear layer: {what}")));
    if !has_linear_kernel(x, weight)? {
        return broken("fp32 on the CPU is needed, without gradients and autocast");
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
    if rows <= FEW {
        few_rows(&problem)?
    } else {
        many_rows(&problem)?
    }
    Ok(y)
}

fn few_rows(problem: &Problem) -> Result<()> {
    let level = Level::detect();
    // SAFETY: contiguous tensors of the sizes that stand in the problem, alive until all threads have returned;
    // each chunk of outputs is written by one of them.
    parallel(c"sst::linear_few", few::chunks(problem), |chunk| unsafe {
        few::run(level, problem, chunk);
    })
}

fn many_rows(problem: &Problem) -> Result<()> {
    /// Written by one thread a panel, and read by all.
    struct Packed(*mut f32);
    // SAFETY: as said.
    unsafe impl Sync for Packed {}
    impl Packed {
        fn pointer(&self) -> *mut f32 {
            self.0
        }
    }
    let level = Level::detect();
    let count = many::packed_len(problem) as i64;
    let buffer = Tensor::f_empty([count], (Kind::Float, Device::Cpu))?;
    let packed = Packed(buffer.data_ptr().cast());
    // SAFETY: as above; the buffer has room for all panels, each of which is written by one thread.
    parallel(c"sst::linear_pack", many::panels(problem), |panel| unsafe {
        many::pack(problem, packed.pointer(), panel);
    })?;
    // SAFETY: as above; each chunk of rows is written by one thread.
    parallel(c"sst::linear_many", many::chunks(problem), |chunk| unsafe {
        many::run(level, problem, packed.pointer(), chunk);
    })
}
