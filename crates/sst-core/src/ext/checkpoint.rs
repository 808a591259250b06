//! Activation checkpointing (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::Tensor;
use torch_sys::C_tensor;

use super::{check, ffi, hand_over};
use crate::error::{Error, Result};

/// What is run in the forward pass and again in the backward pass.
type Body = dyn Fn(&Tensor) -> Result<Tensor> + Send;

/// `body(input)`, keeping `input` alone for the backward pass, which runs `body` again: with the same
/// random numbers and under the same autocast, so that gradients are those of a plain call, bit for bit.
/// Parameters that `body` holds get their gradients.
///
/// # Errors
/// If `body` or libtorch fails. What fails in the backward pass is an error of the backward pass.
pub fn checkpoint(
    input: &Tensor,
    body: impl Fn(&Tensor) -> Result<Tensor> + Send + 'static,
) -> Result<Tensor> {
    let body: Box<Box<Body>> = Box::new(Box::new(body));
    let mut output = std::ptr::null_mut();
    // SAFETY: the bridge owns the closure from here on and frees it once, with `free`; `call` is given
    // that very pointer; `output` is valid for writes.
    check(unsafe {
        let body = Box::into_raw(body).cast::<c_void>();
        ffi::sst_checkpoint(input.as_ptr(), body, call, free, &raw mut output)
    })?;
    // SAFETY: on success the bridge hands over a new tensor that nothing else owns.
    Ok(unsafe { Tensor::from_ptr(output) })
}

thread_local! {
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Whether what runs now on this thread will run again with gradients: without them for now, it must yet be computed
/// as it will be then, to the last bit.
pub(super) fn is_checkpointed() -> bool {
    IS_RUNNING.get()
}

/// Runs the closure; nothing unwinds across the C boundary.
unsafe extern "C" fn call(
    body: *mut c_void,
    input: *const C_tensor,
    output: *mut *mut C_tensor,
    message: *mut c_char,
    room: usize,
) -> c_int {
    // SAFETY: `body` is what `checkpoint` boxed, and `input` a live tensor that is copied as a handle.
    let run = || unsafe {
        let body = &*body.cast::<Box<Body>>();
        let input = Tensor::clone_from_ptr(input.cast_mut());
        body(&input)
    };
    let before = IS_RUNNING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    IS_RUNNING.set(before);
    let result =
        result.unwrap_or_else(|_| Err(Error::Contract("a checkpointed layer panicked".into())));
    // SAFETY: one place for the tensor, which the bridge takes over, and room for the message.
    unsafe { hand_over(result.map(|tensor| [Some(tensor)]), output, message, room) }
}

unsafe extern "C" fn free(body: *mut c_void) {
    // SAFETY: called once, with what `checkpoint` boxed.
    drop(unsafe { Box::from_raw(body.cast::<Box<Body>>()) });
}
