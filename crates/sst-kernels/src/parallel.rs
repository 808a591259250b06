//! libtorch's thread pool for kernels in Rust.

use std::ffi::{CStr, c_void};
use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::ffi::{self, check};
use crate::panics;

/// Calls `body` with each number below `count`, on libtorch's threads. `name` is the name in the profiler.
pub(super) fn parallel<F: Fn(usize) + Sync>(name: &CStr, count: usize, body: F) -> Result<()> {
    struct Call<'a, F> {
        name: &'a CStr,
        body: F,
        panicked: Mutex<Option<String>>,
    }
    /// Calls the closure that the context points to.
    unsafe extern "C" fn call<F: Fn(usize) + Sync>(context: *mut c_void, i: usize) {
        // SAFETY: it outlives the threads, and the closure may be called by several.
        let call = unsafe { &*context.cast::<Call<'_, F>>() };
        panics::catch(&call.name.to_string_lossy(), &call.panicked, || (call.body)(i));
    }
    let call_body = Call { name, body, panicked: Mutex::new(None) };
    let context = (&raw const call_body).cast_mut().cast::<c_void>();
    // SAFETY: the bridge returns after all calls have returned.
    check(unsafe { ffi::sst_parallel(name.as_ptr(), count, context, call::<F>) })?;
    match panics::taken(&call_body.panicked) {
        Some(message) => Err(Error::Contract(message)),
        None => Ok(()),
    }
}
