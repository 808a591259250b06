//! Activation checkpointing (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::Tensor;
use torch_sys::C_tensor;

use crate::error::Result;
use crate::ffi::{self, check, hand_over};
use crate::panics;

/// The function that runs in the forward pass and again in the backward pass. Its error is a message, which C++
/// passes on.
type Body = dyn Fn(&[Tensor]) -> Result<Vec<Tensor>, String> + Send;

/// Computes `body(input)` and saves only `input` for the backward pass. That runs `body` again, with the same random
/// numbers and the same autocast, so that gradients equal those of a plain call bit for bit. Parameters that `body`
/// holds get gradients as well.
///
/// # Errors
/// If `body` or libtorch fails. A failure in the backward pass is an error of that pass.
pub fn checkpoint<E: Display>(
    input: &Tensor,
    body: impl Fn(&Tensor) -> Result<Tensor, E> + Send + 'static,
) -> Result<Tensor> {
    let [output] = checkpoint_all([input], move |[input]| body(input).map(|y| [y]))?;
    Ok(output)
}

/// [`checkpoint`] for a function with several inputs and outputs. The first input must be the largest, and the
/// outputs must be distinct tensors.
///
/// # Errors
/// As for [`checkpoint`].
pub fn checkpoint_all<const N: usize, const M: usize, E: Display>(
    inputs: [&Tensor; N],
    body: impl Fn([&Tensor; N]) -> Result<[Tensor; M], E> + Send + 'static,
) -> Result<[Tensor; M]> {
    let body = move |inputs: &[Tensor]| match inputs.first_chunk::<N>() {
        Some(inputs) => body(inputs.each_ref()).map(Vec::from).map_err(|error| error.to_string()),
        None => Err("a checkpointed layer lacks an input".to_owned()),
    };
    let body: Box<Box<Body>> = Box::new(Box::new(body));
    let (pointers, mut outputs) = (ffi::pointers(inputs), [std::ptr::null_mut(); M]);
    // SAFETY: the bridge owns the closure from here on and frees it once, with `free`; `call` is given
    // that very pointer; there is a writable place for each output.
    check(unsafe {
        let body = Box::into_raw(body).cast::<c_void>();
        ffi::sst_checkpoint(N, pointers.as_ptr(), body, call, free, M, outputs.as_mut_ptr())
    })?;
    // SAFETY: on success the bridge hands over new tensors that nothing else owns.
    Ok(outputs.map(|output| unsafe { Tensor::from_ptr(output) }))
}

thread_local! {
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread runs the first pass of a checkpointed function. It records no gradients, but must compute the
/// same bits as the second pass, which does.
pub(super) fn is_checkpointed() -> bool {
    IS_RUNNING.get()
}

/// Calls the function with `n` inputs for `m` outputs. A panic does not unwind across the C boundary.
unsafe extern "C" fn call(
    body: *mut c_void,
    n: usize,
    inputs: *const *const C_tensor,
    m: usize,
    outputs: *mut *mut C_tensor,
    message: *mut c_char,
    room: usize,
) -> c_int {
    // SAFETY: `body` is what `checkpoint_all` boxed, and the inputs are live tensors that are copied as handles.
    let run = || unsafe {
        let body = &*body.cast::<Box<Body>>();
        let inputs = std::slice::from_raw_parts(inputs, n).iter();
        let inputs: Vec<_> = inputs.map(|x| Tensor::clone_from_ptr(x.cast_mut())).collect();
        let outputs = body(&inputs)?;
        match outputs.len() == m {
            true => Ok(outputs),
            false => Err("a checkpointed layer lacks an output".to_owned()),
        }
    };
    let before = IS_RUNNING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    IS_RUNNING.set(before);
    let result = result.unwrap_or_else(|payload| {
        Err(format!("a checkpointed layer panicked: {}", panics::text(&*payload)))
    });
    // SAFETY: a place for each tensor, which the bridge takes over, and room for the message.
    unsafe { hand_over(result.map(|all| all.into_iter().map(Some)), outputs, message, room) }
}

unsafe extern "C" fn free(body: *mut c_void) {
    // SAFETY: called once, with what `checkpoint_all` boxed.
    drop(unsafe { Box::from_raw(body.cast::<Box<Body>>()) });
}
