//! Gradients of many parameters at once.

use tch::Tensor;

use super::{check, ffi};
use crate::error::Result;

/// Sets the gradients to none, so that the next backward pass writes them instead of adding to zeros.
///
/// # Errors
/// If libtorch fails.
pub fn reset_gradients<'a>(params: impl IntoIterator<Item = &'a Tensor>) -> Result<()> {
    let pointers = ffi::pointers(params);
    // SAFETY: the pointers are of live tensors and are not kept.
    Ok(check(unsafe { ffi::sst_grad_reset(pointers.len(), pointers.as_ptr()) })?)
}

/// The 2-norm over all elements of `tensors`: a scalar on their device, without synchronising with it.
///
/// # Errors
/// If there are none, or libtorch fails.
pub fn global_norm<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<Tensor> {
    let pointers = ffi::pointers(tensors);
    let mut norm = std::ptr::null_mut();
    // SAFETY: the pointers are of live tensors and are not kept; `norm` is valid for writes.
    check(unsafe { ffi::sst_global_norm(pointers.len(), pointers.as_ptr(), &raw mut norm) })?;
    // SAFETY: on success the bridge hands over a new tensor that nothing else owns.
    Ok(unsafe { Tensor::from_ptr(norm) })
}
