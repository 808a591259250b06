//! Functions on the gradients of many parameters, and gradients that are known before the backward pass.

use std::ffi::c_int;

use tch::Tensor;

use crate::error::{Error, Result};
use crate::ffi::{self, check};

/// Whether operators are recorded for a backward pass.
///
/// # Errors
/// If libtorch fails.
pub fn grad_enabled() -> Result<bool> {
    let mut enabled = 0;
    // SAFETY: the pointer is valid for a write during the call.
    check(unsafe { ffi::sst_grad_enabled(&raw mut enabled) })?;
    Ok(enabled != 0)
}

/// Sets the gradients to none, so that the next backward pass writes them instead of adding to zeros.
///
/// # Errors
/// If libtorch fails.
pub fn reset_gradients<'a>(params: impl IntoIterator<Item = &'a Tensor>) -> Result<()> {
    let pointers = ffi::pointers(params);
    // SAFETY: the pointers are of live tensors and are not kept.
    Ok(check(unsafe { ffi::sst_grad_reset(pointers.len(), pointers.as_ptr()) })?)
}

/// Adds the gradient of each tensor in `from` to that of the tensor at the same index in `to`, and sets it to none.
/// The sum has the type of the tensor in `to`; with `keep_type`, a first gradient keeps its type.
///
/// # Errors
/// If the numbers of tensors differ, or libtorch fails.
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

/// A scalar equal to `value`, whose gradients with respect to `inputs` are already known. The backward pass
/// multiplies them, in place, by the incoming gradient. Differentiable once.
///
/// # Errors
/// If a gradient does not have the shape of its input, or libtorch fails.
pub fn with_gradients(
    value: &Tensor,
    inputs: &[&Tensor],
    gradients: Vec<Tensor>,
) -> Result<Tensor> {
    let fit = |(input, gradient): (&&Tensor, &Tensor)| input.size() == gradient.size();
    if inputs.len() != gradients.len() || !inputs.iter().zip(&gradients).all(fit) {
        let message = "known gradients must have the shapes of their tensors".to_owned();
        return Err(Error::Contract(message));
    }
    let pointers = [ffi::pointers(inputs.iter().copied()), ffi::pointers(&gradients)];
    let mut result = std::ptr::null_mut();
    // SAFETY: live tensors, as many of both, of which the bridge keeps handles; and a writable place.
    check(unsafe {
        ffi::sst_with_gradients(
            value.as_ptr(),
            inputs.len(),
            pointers[0].as_ptr(),
            pointers[1].as_ptr(),
            &raw mut result,
        )
    })?;
    // SAFETY: on success the bridge hands over a new tensor that nothing else owns.
    Ok(unsafe { Tensor::from_ptr(result) })
}
