//! Gradients of many parameters at once.

use std::ffi::c_int;

use tch::Tensor;

use super::{check, ffi};
use crate::error::{Error, Result};

/// Sets the gradients to none, so that the next backward pass writes them instead of adding to zeros.
///
/// # Errors
/// If libtorch fails.
pub fn reset_gradients<'a>(params: impl IntoIterator<Item = &'a Tensor>) -> Result<()> {
    let pointers = ffi::pointers(params);
    // SAFETY: the pointers are of live tensors and are not kept.
    Ok(check(unsafe { ffi::sst_grad_reset(pointers.len(), pointers.as_ptr()) })?)
}

/// Adds the gradient of each tensor of `from` to that of the tensor of `to` in its place, in the type of the
/// latter unless `keep_type` and there is none yet, and sets it to none.
///
/// # Errors
/// If there are more of one than of the other, or libtorch fails.
pub fn move_gradients<'a>(
    from: impl IntoIterator<Item = &'a Tensor>,
    to: impl IntoIterator<Item = &'a Tensor>,
    keep_type: bool,
) -> Result<()> {
    let (from, to) = (ffi::pointers(from), ffi::pointers(to));
    if from.len() != to.len() {
        let message = format!("{} gradients cannot go to {} tensors", from.len(), to.len());
        return Err(Error::Contract(message));
    }
    // SAFETY: the pointers are of live tensors and are not kept; there are as many of both.
    let code = unsafe {
        ffi::sst_grad_move(from.len(), from.as_ptr(), to.as_ptr(), c_int::from(keep_type))
    };
    Ok(check(code)?)
}
