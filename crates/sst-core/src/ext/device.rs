//! CUDA from a binary that was built against the CPU set.

use std::ffi::c_int;

use super::{check, ffi};
use crate::error::Result;

/// Loads libtorch's CUDA libraries if they lie beside the libtorch in use. Call it before the first
/// tensor is made. Returns whether they are there; a machine without a GPU can still load them.
///
/// # Errors
/// If they are there and cannot be loaded, with the dynamic linker's reason.
pub fn load_cuda() -> Result<bool> {
    let mut found: c_int = 0;
    // SAFETY: the pointer is valid for writes during the call.
    check(unsafe { ffi::sst_load_cuda(&raw mut found) })?;
    Ok(found != 0)
}
