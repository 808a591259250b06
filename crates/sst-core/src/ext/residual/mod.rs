//! What stands between the matrix products of a transformer's layer, in one pass over memory: dropout, the
//! residual, and LayerNorm. The graph and the threads are in `cpp/residual.cc`.

mod kernel;

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) use kernel::Task;
use kernel::{Scratch, backward, forward};
use tch::{Device, Kind, Tensor};

use super::number::Level;
use super::{check, ffi};
use crate::error::{Error, Result};

/// `LayerNorm(dropout(x) + residual)` over the last dimension (Ba et al. 2016), with `p` the probability of
/// dropout, drawn from libtorch's generator. `x` and `residual` are of one shape, fp32 or bf16 each; the
/// result has the residual's type. Differentiable once; sums are fp32.
///
/// # Errors
/// If shapes or types do not fit, a tensor is not on the CPU, or libtorch fails.
pub fn residual_norm(
    x: &Tensor,
    residual: &Tensor,
    [weight, bias]: [&Tensor; 2],
    p: f64,
    eps: f64,
) -> Result<Tensor> {
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
    let mut y = std::ptr::null_mut();
    let run: ffi::ResidualRun = run;
    // SAFETY: live tensors whose sizes were checked, and a writable place. `run` gets the struct it expects.
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
        )
    })?;
    // SAFETY: on success the bridge hands over a new tensor that nothing else owns.
    Ok(unsafe { Tensor::from_ptr(y) })
}

/// Dropout with probability `p`, in (0, 1), drawn from libtorch's generator, of a tensor for which
/// [`has_residual_kernel`].
///
/// # Errors
/// If it has none, or libtorch fails.
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

/// Whether these kernels take such a tensor.
pub fn has_residual_kernel(x: &Tensor) -> bool {
    x.device() == Device::Cpu && matches!(x.kind(), Kind::Float | Kind::BFloat16) && x.dim() > 0
}

/// Called by each thread: takes blocks of tokens until none is left.
///
/// # Safety
/// `task` must be a whole [`Task`], and `next` the counter that the threads share.
unsafe extern "C" fn run(task: *const Task, next: *const c_void, is_backward: c_int) {
    // SAFETY: both live until every thread has returned.
    let (task, next) = unsafe { (&*task, &*next.cast::<AtomicUsize>()) };
    let mut scratch = Scratch::new(task);
    let is_backward = is_backward != 0;
    // SAFETY: the features are there.
    unsafe {
        match Level::detect() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => with_avx512(task, next, is_backward, &mut scratch),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => with_avx2(task, next, is_backward, &mut scratch),
            Level::Portable => take(task, next, is_backward, &mut scratch),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
unsafe fn with_avx512(task: &Task, next: &AtomicUsize, back: bool, scratch: &mut Scratch) {
    // SAFETY: passed on.
    unsafe { take(task, next, back, scratch) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2(task: &Task, next: &AtomicUsize, back: bool, scratch: &mut Scratch) {
    // SAFETY: passed on.
    unsafe { take(task, next, back, scratch) }
}

#[inline(always)]
unsafe fn take(task: &Task, next: &AtomicUsize, is_backward: bool, scratch: &mut Scratch) {
    loop {
        let block = next.fetch_add(1, Ordering::Relaxed);
        if block >= task.blocks() {
            return;
        }
        // SAFETY: each block is taken once.
        unsafe {
            if is_backward {
                backward(task, block, scratch);
            } else {
                forward(task, block, scratch);
            }
        }
    }
}
