//! libtorch's threads for kernels in Rust.

use std::ffi::{CStr, c_void};

use super::{check, ffi};
use crate::error::Result;

/// Calls `body` with each number below `count`, on libtorch's threads. `name` is what the profiler calls it.
pub(super) fn parallel<F: Fn(usize) + Sync>(name: &CStr, count: usize, body: F) -> Result<()> {
    /// Calls the closure that the context is.
    unsafe extern "C" fn call<F: Fn(usize) + Sync>(context: *mut c_void, i: usize) {
        // SAFETY: the closure outlives the threads, and may be called by several.
        unsafe { (*context.cast::<F>())(i) }
    }
    let context = (&raw const body).cast_mut().cast::<c_void>();
    // SAFETY: the bridge returns after all calls have.
    Ok(check(unsafe { ffi::sst_parallel(name.as_ptr(), count, context, call::<F>) })?)
}
