//! The C interface of `cpp/`, with its return codes converted to results. The kernels' own functions are in the
//! `ffi.rs` of their folders.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt::Display;

use tch::{TchError, Tensor};
use torch_sys::C_tensor;

use crate::panics;

/// Calls a checkpointed closure: the closure, its inputs, and pointers for its outputs and for an error message.
pub(crate) type CheckpointCall = unsafe extern "C" fn(
    *mut c_void,
    usize,
    *const *const C_tensor,
    usize,
    *mut *mut C_tensor,
    *mut c_char,
    usize,
) -> c_int;

/// Receives an operator that the profiler recorded: the context, its name, the shapes of its inputs, its thread,
/// start and duration, and whether it ran on an accelerator.
pub(crate) type ProfileCallback =
    unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, u64, u64, u64, c_int);

unsafe extern "C" {
    pub(crate) fn sst_profile_start(cuda: c_int) -> c_int;
    pub(crate) fn sst_profile_stop(
        trace: *const c_char,
        context: *mut c_void,
        record: Option<ProfileCallback>,
    ) -> c_int;
    pub(crate) fn sst_checkpoint(
        n: usize,
        inputs: *const *const C_tensor,
        body: *mut c_void,
        call: CheckpointCall,
        free: unsafe extern "C" fn(*mut c_void),
        m: usize,
        outputs: *mut *mut C_tensor,
    ) -> c_int;
    pub(crate) fn sst_joint(
        a: *const C_tensor,
        b: *const C_tensor,
        c: *const C_tensor,
        joint: *mut *mut C_tensor,
    ) -> c_int;
    pub(crate) fn sst_keep_freed_memory() -> c_int;
    pub(crate) fn sst_last_error() -> *const c_char;
    pub(crate) fn sst_load_cuda(found: *mut c_int) -> c_int;
    pub(crate) fn sst_cuda_capability(device: c_int, major: *mut c_int) -> c_int;
    pub(crate) fn sst_autocast_state(cuda: c_int, enabled: *mut c_int, dtype: *mut i8) -> c_int;
    pub(crate) fn sst_autocast_enter(
        cuda: c_int,
        enabled: c_int,
        dtype: i8,
        before_enabled: *mut c_int,
        before_dtype: *mut i8,
    ) -> c_int;
    pub(crate) fn sst_autocast_leave(cuda: c_int, before_enabled: c_int, before_dtype: i8)
    -> c_int;
    pub(crate) fn sst_autocast_clear() -> c_int;
    pub(crate) fn sst_amp_unscale(
        n: usize,
        grads: *const *const C_tensor,
        found_inf: *const C_tensor,
        inv_scale: *const C_tensor,
    ) -> c_int;
    pub(crate) fn sst_device_memory(device: c_int, now: *mut i64, peak: *mut i64) -> c_int;
    pub(crate) fn sst_empty_cache() -> c_int;
    pub(crate) fn sst_allow_tf32(allow: c_int) -> c_int;
    pub(crate) fn sst_tf32_allowed(allowed: *mut c_int) -> c_int;
    pub(crate) fn sst_with_gradients(
        value: *const C_tensor,
        n: usize,
        inputs: *const *const C_tensor,
        gradients: *const *const C_tensor,
        result: *mut *mut C_tensor,
    ) -> c_int;
    pub(crate) fn sst_grad_move(
        n: usize,
        from: *const *const C_tensor,
        to: *const *const C_tensor,
        keep_type: c_int,
    ) -> c_int;
    pub(crate) fn sst_parallel(
        name: *const c_char,
        count: usize,
        context: *mut c_void,
        body: unsafe extern "C" fn(*mut c_void, usize),
    ) -> c_int;
    pub(crate) fn sst_grad_enabled(enabled: *mut c_int) -> c_int;
    pub(crate) fn sst_grad_reset(n: usize, params: *const *const C_tensor) -> c_int;
}

/// The pointers of `tensors`, for a call that does not store them.
pub(crate) fn pointers<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Vec<*const C_tensor> {
    tensors.into_iter().map(Tensor::as_ptr).collect()
}

/// Converts a return code of the bridge to a result.
pub(crate) fn check(code: c_int) -> Result<(), TchError> {
    if let Some(message) = panics::pending() {
        return Err(TchError::Torch(message));
    }
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the bridge returns a NUL-terminated string that lives until its next error on this thread.
    let message = unsafe { CStr::from_ptr(sst_last_error()) };
    Err(TchError::Torch(message.to_string_lossy().into_owned()))
}

/// Writes the tensors to the pointers of the bridge, which takes ownership, or the message of an error. Returns the
/// return code for the bridge.
///
/// # Safety
/// `made` must be valid for as many writes as there are tensors, and `message` must have `room` zero bytes.
pub(crate) unsafe fn hand_over(
    result: Result<impl IntoIterator<Item = Option<Tensor>>, impl Display>,
    made: *mut *mut C_tensor,
    message: *mut c_char,
    room: usize,
) -> c_int {
    match result {
        Ok(tensors) => {
            for (i, tensor) in tensors.into_iter().enumerate() {
                let Some(mut tensor) = tensor else { continue };
                // SAFETY: as promised.
                unsafe { *made.add(i) = tensor.as_mut_ptr() };
                std::mem::forget(tensor);
            }
            0
        }
        Err(error) => {
            let text = error.to_string();
            let bytes = &text.as_bytes()[..text.len().min(room.saturating_sub(1))];
            // SAFETY: the last byte stays zero.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), message, bytes.len()) };
            1
        }
    }
}
