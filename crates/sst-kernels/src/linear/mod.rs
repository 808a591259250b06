//! Linear layers where libtorch's products leave much of the processor unused: without gradients in fp32 of few rows, as
//! when text is generated, which run as fast as the weights come out of memory; of many rows on processors with AVX-512
//! bf16 or AMX; and in bf16 on every other processor.

mod few;
mod kept;
mod tiles;

pub(super) use kept::kept_joint;
pub use kept::{KeepWeights, keep_weights};
use tch::{Device, Kind, Tensor};
#[cfg(target_arch = "x86_64")]
#[doc(hidden)]
pub use tiles::multiply_in_registers;
#[doc(hidden)]
pub use tiles::{Unit, forbid_unit};

use super::autocast::product_kind;
use super::checkpoint::is_checkpointed;
use super::cpu::CpuLevel;
use super::grad::grad_enabled;
use super::parallel::parallel;
use crate::error::{Error, Result};

/// Above it each weight is used so often that memory is no bound.
const FEW: i64 = 16;

/// How the weight of a linear layer lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `[out, in]`, as of PyTorch's Linear.
    OutIn,
    /// `[in, out]`, as of GPT-2's Conv1D.
    InOut,
}

/// An activation between two linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// Exact GELU.
    Gelu,
    /// GELU by the tanh approximation.
    GeluTanh,
}

/// The parameters of a linear layer.
#[derive(Debug, Clone, Copy)]
pub struct Affine<'a> {
    /// As the layout says.
    pub weight: &'a Tensor,
    /// `[out]`.
    pub bias: Option<&'a Tensor>,
}

impl Affine<'_> {
    /// The width of the results.
    ///
    /// # Errors
    /// If widths differ, or the bias is not on the CPU.
    fn check(&self, layout: Layout, width: i64) -> Result<i64> {
        let broken = |what: &str| Err(Error::Contract(format!("linear layer: {what}")));
        let (input, output) = match (self.weight.size2()?, layout) {
            ((output, input), Layout::OutIn) | ((input, output), Layout::InOut) => (input, output),
        };
        if width != input {
            return broken("the weight has another width");
        }
        match self.bias {
            Some(bias) if bias.size() != [output] || bias.device() != Device::Cpu => {
                broken("the bias has another width or device")
            }
            _ => Ok(output),
        }
    }

    /// The bias as kernels read it.
    fn full_bias(&self) -> Result<Option<Tensor>> {
        Ok(self.bias.map(|bias| bias.f_to_kind(Kind::Float)?.f_contiguous()).transpose()?)
    }
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

/// How a product is computed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kernel {
    Few,
    /// By tiles; in fp32 if `exact`, in bf16 if not.
    Tiles {
        exact: bool,
    },
    /// The same with gradients, or as if there were some.
    Trained {
        exact: bool,
    },
}

fn kernel(x: &Tensor, weight: &Tensor) -> Result<Option<Kernel>> {
    let fits = |tensor: &Tensor| {
        tensor.device() == Device::Cpu
            && tensor.dim() == 2
            && matches!(tensor.kind(), Kind::Float | Kind::BFloat16)
            && tensor.numel() > 0
    };
    if !fits(x) || !fits(weight) || !weight.is_contiguous() {
        return Ok(None);
    }
    let is_trained = grad_enabled()? || is_checkpointed();
    let rows = x.size()[0];
    let product = product_kind(x)?;
    let is_fp32 = [x.kind(), weight.kind(), product].iter().all(|kind| *kind == Kind::Float);
    let is_bf16 = product == Kind::BFloat16 && product_kind(weight)? == product;
    if (is_bf16 || is_fp32) && has_kernel(rows as usize, is_fp32) {
        let exact = is_fp32;
        let kernel = if is_trained { Kernel::Trained { exact } } else { Kernel::Tiles { exact } };
        return Ok(Some(kernel));
    }
    Ok((is_fp32 && !is_trained && rows <= FEW).then_some(Kernel::Few))
}

/// Whether [`fast_linear`] takes such tensors and is the better way: both have two dimensions and are on the CPU, and
/// the product is in fp32 or bf16 of many rows and the processor has AVX-512 bf16, or it is in bf16 and the processor has
/// no bf16 instructions, or it is in fp32 of few rows, without autocast and without gradients.
///
/// # Errors
/// If libtorch fails.
pub fn has_linear_kernel(x: &Tensor, weight: &Tensor) -> Result<bool> {
    Ok(kernel(x, weight)?.is_some())
}

/// Whether products of so many rows on the CPU, in fp32 or bf16, are made without oneDNN, which compiles a kernel for each
/// shape: by [`fast_linear`], or by MKL.
pub fn takes_any_rows(rows: usize) -> bool {
    match tiles::unit() {
        None => false,
        // bf16 has a kernel; fp32 goes to MKL, which libtorch has on x86-64 alone.
        Some(Unit::Lanes) => cfg!(target_arch = "x86_64"),
        Some(_) => rows >= tiles::LEAST_ROWS,
    }
}

/// Whether products of so many rows are made by [`fast_linear`]: in fp32 if `exact`, else in bf16.
fn has_kernel(rows: usize, exact: bool) -> bool {
    match (tiles::unit(), exact) {
        (None, _) => false,
        // libtorch multiplies bf16 a number at a time where the processor has no instruction for it, while its fp32
        // products (MKL) are the faster ones: docs/benchmarks.md has the figures.
        (Some(Unit::Lanes), exact) => !exact,
        _ => rows >= tiles::LEAST_ROWS,
    }
}

/// `x W^T + b` or `x W + b`, as the layout says, for `x` of `[n, in]`, in the type of the product. Of up to 16 rows
/// none's result depends on the others. In bf16, and with AMX in fp32, numbers below 1e-38 count as zero; with AMX an
/// infinite number in fp32 gives NaN. Of many rows differentiable once.
///
/// # Errors
/// If [`has_linear_kernel`] does not hold, widths differ, or libtorch fails.
pub fn fast_linear(
    x: &Tensor,
    weight: &Tensor,
    layout: Layout,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let Some(kernel) = kernel(x, weight)? else {
        return Err(without_kernel());
    };
    let (rows, input) = x.size2()?;
    let layer = Affine { weight, bias };
    let output = layer.check(layout, input)?;
    if let Kernel::Trained { exact } = kernel {
        return tiles::trained_linear(x, layer, layout, None, exact);
    }
    let (x, bias) = (x.f_contiguous()?, layer.full_bias()?);
    if let Kernel::Tiles { exact } = kernel {
        let weight = kept::packed(weight, layout, exact)?;
        return tiles::linear(&x, &weight, bias.as_ref());
    }
    debug_assert!(kernel == Kernel::Few, "other kernels have returned");
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
    few_rows(&problem)?;
    Ok(y)
}

/// [`fast_linear`] and an activation after it, of which the gradient needs no second pass over memory; `None` where there
/// is no kernel for that: without gradients, or of few rows.
///
/// # Errors
/// If widths differ, or libtorch fails.
pub fn fast_curved_linear(
    x: &Tensor,
    layer: Affine<'_>,
    layout: Layout,
    curve: Curve,
) -> Result<Option<Tensor>> {
    if let Some(Kernel::Trained { exact }) = kernel(x, layer.weight)? {
        layer.check(layout, x.size2()?.1)?;
        return Ok(Some(tiles::trained_linear(x, layer, layout, Some(curve), exact)?));
    }
    Ok(None)
}

fn without_kernel() -> Error {
    let what = "a product on the CPU that has a kernel is needed";
    Error::Contract(format!("linear layer: {what}"))
}

/// Whether [`fast_mlp`] takes such tensors: as for [`has_linear_kernel`], of many rows.
///
/// # Errors
/// If libtorch fails.
pub fn has_mlp_kernel(x: &Tensor, up: &Tensor, down: &Tensor) -> Result<bool> {
    Ok(mlp_kernel(x, up, down)?.is_some())
}

/// How both products are computed, if by tiles.
fn mlp_kernel(x: &Tensor, up: &Tensor, down: &Tensor) -> Result<Option<Kernel>> {
    let kernels = (kernel(x, up)?, kernel(x, down)?);
    Ok(kernels.0.filter(|kernel| *kernel != Kernel::Few && kernels.1 == Some(*kernel)))
}

/// Two linear layers with an activation between them, for `x` of `[n, d]`, in the type of the product. Without gradients
/// what is between them never leaves the processor's cache. Differentiable once.
///
/// # Errors
/// If [`has_mlp_kernel`] does not hold, widths differ, or libtorch fails.
pub fn fast_mlp(
    x: &Tensor,
    [up, down]: [Affine<'_>; 2],
    layout: Layout,
    curve: Curve,
) -> Result<Tensor> {
    if let Some(kernel) = mlp_kernel(x, up.weight, down.weight)? {
        down.check(layout, up.check(layout, x.size2()?.1)?)?;
        let exact = match kernel {
            Kernel::Few => return Err(without_kernel()),
            Kernel::Tiles { exact } => exact,
            Kernel::Trained { exact } => {
                return tiles::trained_mlp(x, [up, down], layout, curve, exact);
            }
        };
        let (up_bias, down_bias) = (up.full_bias()?, down.full_bias()?);
        let up = kept::packed(up.weight, layout, exact)?;
        let down = kept::packed(down.weight, layout, exact)?;
        let biases = [up_bias.as_ref(), down_bias.as_ref()];
        return tiles::mlp(&x.f_contiguous()?, [&up, &down], biases, curve);
    }
    Err(without_kernel())
}

fn few_rows(problem: &Problem) -> Result<()> {
    let level = CpuLevel::current();
    // SAFETY: contiguous tensors of the sizes that stand in the problem, alive until all threads have returned;
    // each chunk of outputs is written by one of them.
    parallel(c"sst::linear_few", few::chunks(problem), |chunk| unsafe {
        few::run(level, problem, chunk);
    })
}
