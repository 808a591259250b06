//! Dropout, the residual connection, and LayerNorm or RMSNorm, in one pass over memory: the operations between the matrix
//! products of a transformer layer. The autograd node and the threads are in `cpp/residual.cc`.

mod ffi;
mod kernel;

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::{ResidualProblem, Scratch, backward, forward, params};
use tch::{Device, Kind, Tensor};

use super::cpu::CpuLevel;
use super::simd::{Simd, SimdBody};
use crate::error::{Error, Result};
use crate::ffi::check;
use crate::panics;

/// `LayerNorm(dropout(x) + residual)` over the last dimension (Ba et al. 2016). `p` is the probability of dropout,
/// which libtorch's generator draws. `x` and `residual` have one shape and are fp32 or bf16; the result has the type
/// of the residual. It is returned as two tensors, for the next product and the next residual connection, and their
/// gradients are added while they are read. Sums are accumulated in fp32. Differentiable once.
///
/// # Errors
/// If shapes or types do not fit, a tensor is not on the CPU, or libtorch fails.
pub fn residual_norm(
    x: &Tensor,
    residual: &Tensor,
    [weight, bias]: [&Tensor; 2],
    p: f64,
    eps: f64,
) -> Result<[Tensor; 2]> {
    let broken = |what: &str| Err(Error::Contract(format!("residual and norm: {what}")));
    let width = x.size().last().copied().unwrap_or(0);
    if ![x, residual].into_iter().all(has_residual_kernel) || x.size() != residual.size() {
        return broken("two tensors of one shape on the CPU, fp32 or bf16, are needed");
    }
    if width == 0 || weight.size() != [width] || bias.size() != [width] {
        return broken("weight and bias must have the width");
    }
    if !(0.0..1.0).contains(&p) {
        return broken("dropout must be at least 0 and below 1");
    }
    let (mut y, mut twin) = (std::ptr::null_mut(), std::ptr::null_mut());
    let run: ffi::ResidualRun = run;
    // SAFETY: live tensors whose sizes were checked, and writable places. `run` gets the struct it expects.
    check(unsafe {
        ffi::sst_residual_norm(
            x.as_ptr(),
            residual.as_ptr(),
            weight.as_ptr(),
            bias.as_ptr(),
            p,
            eps,
            run,
            &raw mut y,
            &raw mut twin,
        )
    })?;
    // SAFETY: on success the bridge hands over two new tensors that nothing else owns.
    Ok([y, twin].map(|tensor| unsafe { Tensor::from_ptr(tensor) }))
}

/// Two tensors equal to `x`, for two consumers. Their gradients are added here in this order, so that the sum does not
/// depend on which backward pass runs first.
///
/// # Errors
/// If libtorch fails.
pub fn fork(x: &Tensor) -> Result<[Tensor; 2]> {
    let mut both = [std::ptr::null_mut(); 2];
    // SAFETY: a live tensor and two writable places.
    check(unsafe { ffi::sst_fork(x.as_ptr(), both.as_mut_ptr()) })?;
    // SAFETY: on success the bridge hands over two new tensors that nothing else owns.
    Ok(both.map(|tensor| unsafe { Tensor::from_ptr(tensor) }))
}

/// The parameters of a LayerNorm or an RMSNorm.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// `[d]`.
    pub weight: &'a Tensor,
    /// `[d]` for LayerNorm; `None` for RMSNorm (Zhang and Sennrich 2019), which does not subtract the mean.
    pub bias: Option<&'a Tensor>,
    /// The number that is added to the variance.
    pub eps: f64,
}

/// Returns `norm(sum)` and `sum = dropout(x) + residual`, as between the attention and the MLP of a pre-norm layer. `p` is
/// the probability of dropout, which libtorch's generator draws. `x` and `residual` have one shape and are fp32 or bf16.
/// The sum has the type of the residual; its norm has the type `kind`, fp32 or bf16. Sums are accumulated in fp32.
/// Differentiable once.
///
/// # Errors
/// If shapes or types do not fit, a tensor is not on the CPU, or libtorch fails.
pub fn add_norm(
    x: &Tensor,
    residual: &Tensor,
    norm: Norm<'_>,
    p: f64,
    kind: Kind,
) -> Result<[Tensor; 2]> {
    match run_norm(Some(x), residual, norm, p, kind)? {
        [Some(y), Some(sum)] => Ok([y, sum]),
        _ => Err(Error::Contract("add and norm: a result is missing".to_owned())),
    }
}

/// [`add_norm`] of the residual alone.
///
/// # Errors
/// As for [`add_norm`].
pub fn norm(residual: &Tensor, norm: Norm<'_>, kind: Kind) -> Result<Tensor> {
    let [y, _] = run_norm(None, residual, norm, 0.0, kind)?;
    y.ok_or_else(|| Error::Contract("norm: there is no result".to_owned()))
}

fn run_norm(
    x: Option<&Tensor>,
    residual: &Tensor,
    norm: Norm<'_>,
    p: f64,
    kind: Kind,
) -> Result<[Option<Tensor>; 2]> {
    let broken = |what: &str| Err(Error::Contract(format!("add and norm: {what}")));
    let width = residual.size().last().copied().unwrap_or(0);
    let fits = x.is_none_or(|x| has_residual_kernel(x) && x.size() == residual.size());
    if !fits || !has_residual_kernel(residual) {
        return broken("tensors of one shape on the CPU, fp32 or bf16, are needed");
    }
    let has_width = |tensor: &Tensor| tensor.size() == [width];
    if width == 0 || !has_width(norm.weight) || !norm.bias.is_none_or(has_width) {
        return broken("weight and bias must have the width");
    }
    if !(0.0..1.0).contains(&p) || !matches!(kind, Kind::Float | Kind::BFloat16) {
        return broken("dropout must be at least 0 and below 1, and the result fp32 or bf16");
    }
    let pointer = |tensor: Option<&Tensor>| tensor.map_or(std::ptr::null(), Tensor::as_ptr);
    let (mut y, mut sum) = (std::ptr::null_mut(), std::ptr::null_mut());
    let run: ffi::ResidualRun = run;
    // SAFETY: live tensors whose sizes were checked, or null where that is allowed, and writable places. `run`
    // gets the struct it expects.
    check(unsafe {
        ffi::sst_add_norm(
            pointer(x),
            residual.as_ptr(),
            norm.weight.as_ptr(),
            pointer(norm.bias),
            p,
            norm.eps,
            c_int::from(norm.bias.is_none()),
            c_int::from(kind == Kind::BFloat16),
            run,
            &raw mut y,
            &raw mut sum,
        )
    })?;
    let owned = |made: *mut torch_sys::C_tensor| {
        // SAFETY: on success the bridge hands over new tensors that nothing else owns, and null where there is none.
        (!made.is_null()).then(|| unsafe { Tensor::from_ptr(made) })
    };
    Ok([owned(y), owned(sum)])
}

/// Dropout with probability `p`, in (0, 1), which libtorch's generator draws. [`has_residual_kernel`] must hold for
/// `x`.
///
/// # Errors
/// If it does not hold, or libtorch fails.
pub fn fast_dropout(x: &Tensor, p: f64) -> Result<Tensor> {
    if p.is_nan() || p <= 0.0 || p >= 1.0 || !has_residual_kernel(x) {
        let message = "dropout: fp32 or bf16 on the CPU, and a probability, are needed";
        return Err(Error::Contract(message.to_owned()));
    }
    let mut y = std::ptr::null_mut();
    let run: ffi::ResidualRun = run;
    // SAFETY: a live tensor and a writable place. `run` gets the struct it expects.
    check(unsafe { ffi::sst_dropout(x.as_ptr(), p, run, &raw mut y) })?;
    // SAFETY: on success the bridge hands over a new tensor that nothing else owns.
    Ok(unsafe { Tensor::from_ptr(y) })
}

/// Whether these kernels accept the tensor.
pub fn has_residual_kernel(x: &Tensor) -> bool {
    x.device() == Device::Cpu && matches!(x.kind(), Kind::Float | Kind::BFloat16) && x.dim() > 0
}

/// The passes, with the numbers of `What` in `cpp/residual.cc`.
const FORWARD: c_int = 0;
const BACKWARD: c_int = 1;

/// Runs blocks of tokens until none is left. Each thread calls it once; after the backward pass one thread calls it
/// again for the gradients of weight and bias.
///
/// # Safety
/// `problem` must be a complete [`ResidualProblem`], and `next` the counter that the threads share.
unsafe extern "C" fn run(problem: *const ResidualProblem, next: *const c_void, what: c_int) {
    // SAFETY: both live until every thread has returned; for the last of the three nobody needs the counter.
    panics::catch_for_later("sst::residual", || unsafe {
        let problem = &*problem;
        if !matches!(what, FORWARD | BACKWARD) {
            return params(problem);
        }
        let next = &*next.cast::<AtomicUsize>();
        CpuLevel::current().run_simd(Take { problem, next, is_backward: what == BACKWARD });
    });
}

/// Runs blocks until none is left.
struct Take<'a> {
    problem: &'a ResidualProblem,
    next: &'a AtomicUsize,
    is_backward: bool,
}

impl SimdBody for Take<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { problem, next, is_backward } = self;
        let mut scratch = Scratch::new(problem);
        loop {
            let block = next.fetch_add(1, Ordering::Relaxed);
            if block >= problem.blocks() {
                return;
            }
            // SAFETY: each block is taken once; the processor has what `S` needs.
            unsafe {
                if is_backward {
                    backward::<S>(problem, block, &mut scratch);
                } else {
                    forward::<S>(problem, block, &mut scratch);
                }
            }
        }
    }
}
