//! Linear layers for the cases in which libtorch's matrix products leave much of the processor unused:
//!
//! - fp32, few rows, no gradients, as when text is generated: these run as fast as memory delivers the weights;
//! - fp32 or bf16, many rows, on processors with AVX-512 bf16 or AMX;
//! - bf16 on every other processor.

mod few;
mod ffi;
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

/// With more rows than this, each weight is used often enough that memory no longer limits the speed.
const FEW: i64 = 16;

/// The order of the dimensions of a linear layer's weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WeightLayout {
    /// `[out, in]`, as in PyTorch's `nn.Linear`.
    OutIn,
    /// `[in, out]`, as in the `Conv1D` of transformers, which GPT-2 uses.
    InOut,
}

/// An activation that a kernel applies to the output of a linear layer, without another pass over memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FusedActivation {
    /// Exact GELU.
    Gelu,
    /// GELU by the tanh approximation.
    GeluTanh,
}

/// The parameters of a linear layer.
#[derive(Debug, Clone, Copy)]
pub struct Affine<'a> {
    /// A matrix whose layout is given separately.
    pub weight: &'a Tensor,
    /// `[out]`.
    pub bias: Option<&'a Tensor>,
}

impl Affine<'_> {
    /// Checks the shapes, and returns the output width.
    ///
    /// # Errors
    /// If widths differ, or the bias is not on the CPU.
    fn check(&self, layout: WeightLayout, width: i64) -> Result<i64> {
        let broken = |what: &str| Err(Error::Contract(format!("linear layer: {what}")));
        let (input, output) = match (self.weight.size2()?, layout) {
            ((output, input), WeightLayout::OutIn) | ((input, output), WeightLayout::InOut) => {
                (input, output)
            }
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

    /// The bias in fp32, as kernels read it.
    fn full_bias(&self) -> Result<Option<Tensor>> {
        Ok(self.bias.map(|bias| bias.f_to_kind(Kind::Float)?.f_contiguous()).transpose()?)
    }
}

/// The arguments of a product with few rows. The matrices are contiguous: `[rows, input]`, `[rows, output]`, and the
/// weight in its layout.
struct Problem {
    x: *const f32,
    weight: *const f32,
    /// Null for no bias.
    bias: *const f32,
    y: *mut f32,
    rows: usize,
    input: usize,
    output: usize,
    layout: WeightLayout,
}

// SAFETY: each chunk of `y` is written by one thread, and all else is only read.
unsafe impl Sync for Problem {}

impl Problem {
    /// # Safety
    /// `output` must be smaller than the number of outputs.
    #[inline(always)]
    unsafe fn bias(&self, output: usize) -> f32 {
        // SAFETY: the bias has one number for each output, unless it is null.
        if self.bias.is_null() { 0.0 } else { unsafe { *self.bias.add(output) } }
    }
}

/// The kernel that computes a product.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kernel {
    Few,
    /// The tiled kernel without gradients; in fp32 if `exact`, else in bf16.
    Tiles {
        exact: bool,
    },
    /// The tiled kernel with gradients. A checkpointed first pass uses it too, to compute the same bits.
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

/// Whether [`fast_linear`] accepts these tensors and is faster than libtorch. Both must be matrices on the CPU, and one of
/// these must hold:
///
/// - the product is in fp32 or bf16 and has many rows, and the processor has AVX-512 bf16;
/// - the product is in bf16, and the processor has no bf16 instructions;
/// - the product is in fp32 and has few rows, and neither autocast nor gradients are on.
///
/// # Errors
/// If libtorch fails.
pub fn has_linear_kernel(x: &Tensor, weight: &Tensor) -> Result<bool> {
    Ok(kernel(x, weight)?.is_some())
}

/// Whether products with this many rows on the CPU, in fp32 or bf16, are computed without oneDNN, that is by
/// [`fast_linear`] or by MKL. oneDNN compiles a kernel for every new shape, so that it is worth padding the rows for it.
pub fn takes_any_rows(rows: usize) -> bool {
    match tiles::unit() {
        None => false,
        // A kernel of sst computes bf16. MKL, which libtorch has only on x86-64, computes fp32.
        Some(Unit::Lanes) => cfg!(target_arch = "x86_64"),
        Some(_) => rows >= tiles::LEAST_ROWS,
    }
}

/// Whether [`fast_linear`] computes products with this many rows: in fp32 if `exact`, else in bf16.
fn has_kernel(rows: usize, exact: bool) -> bool {
    match (tiles::unit(), exact) {
        (None, _) => false,
        // Without bf16 instructions, libtorch multiplies bf16 one number at a time, while its fp32 products (MKL) are
        // faster than ours: docs/benchmarks.md has the figures.
        (Some(Unit::Lanes), exact) => !exact,
        _ => rows >= tiles::LEAST_ROWS,
    }
}

/// Computes `x W^T + b` or `x W + b`, as the layout says, for `x` `[n, in]`. Returns `[n, out]` in the type of the
/// product, which autocast may choose. With many rows it is differentiable once.
///
/// With up to 16 rows the result of a row does not depend on the other rows. In bf16, and in fp32 with AMX, numbers below
/// 1e-38 count as zero; with AMX an infinite fp32 number gives NaN.
///
/// # Errors
/// If [`has_linear_kernel`] does not hold, widths differ, or libtorch fails.
pub fn fast_linear(
    x: &Tensor,
    weight: &Tensor,
    layout: WeightLayout,
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

/// [`fast_linear`] followed by an activation, whose gradient needs no second pass over memory. Returns `None` where there is
/// no kernel for it: when gradients are off, or with few rows.
///
/// # Errors
/// If widths differ, or libtorch fails.
pub fn fast_activated_linear(
    x: &Tensor,
    layer: Affine<'_>,
    layout: WeightLayout,
    activation: FusedActivation,
) -> Result<Option<Tensor>> {
    if let Some(Kernel::Trained { exact }) = kernel(x, layer.weight)? {
        layer.check(layout, x.size2()?.1)?;
        return Ok(Some(tiles::trained_linear(x, layer, layout, Some(activation), exact)?));
    }
    Ok(None)
}

fn without_kernel() -> Error {
    let what = "a product on the CPU that has a kernel is needed";
    Error::Contract(format!("linear layer: {what}"))
}

/// Whether [`fast_mlp`] accepts these tensors: the conditions of [`has_linear_kernel`] for many rows, for both layers.
///
/// # Errors
/// If libtorch fails.
pub fn has_mlp_kernel(x: &Tensor, up: &Tensor, down: &Tensor) -> Result<bool> {
    Ok(mlp_kernel(x, up, down)?.is_some())
}

/// The kernel for both products, if it is a tiled one.
fn mlp_kernel(x: &Tensor, up: &Tensor, down: &Tensor) -> Result<Option<Kernel>> {
    let kernels = (kernel(x, up)?, kernel(x, down)?);
    Ok(kernels.0.filter(|kernel| *kernel != Kernel::Few && kernels.1 == Some(*kernel)))
}

/// Two linear layers with an activation between them, for `x` `[n, in]`. Returns `[n, out]` in the type of the product,
/// which autocast may choose. When gradients are off, the hidden values between the layers never leave the processor's
/// cache. Differentiable once.
///
/// # Errors
/// If [`has_mlp_kernel`] does not hold, widths differ, or libtorch fails.
pub fn fast_mlp(
    x: &Tensor,
    [up, down]: [Affine<'_>; 2],
    layout: WeightLayout,
    activation: FusedActivation,
) -> Result<Tensor> {
    if let Some(kernel) = mlp_kernel(x, up.weight, down.weight)? {
        down.check(layout, up.check(layout, x.size2()?.1)?)?;
        let exact = match kernel {
            Kernel::Few => return Err(without_kernel()),
            Kernel::Tiles { exact } => exact,
            Kernel::Trained { exact } => {
                return tiles::trained_mlp(x, [up, down], layout, activation, exact);
            }
        };
        let (up_bias, down_bias) = (up.full_bias()?, down.full_bias()?);
        let up = kept::packed(up.weight, layout, exact)?;
        let down = kept::packed(down.weight, layout, exact)?;
        let biases = [up_bias.as_ref(), down_bias.as_ref()];
        return tiles::mlp(&x.f_contiguous()?, [&up, &down], biases, activation);
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
