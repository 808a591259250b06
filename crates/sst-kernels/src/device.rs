//! CUDA in a binary that was linked to the CPU libraries.

use std::ffi::c_int;

use crate::error::Result;
use crate::ffi::{self, check};

/// The major compute capability of GPU `index`: 8 for Ampere, 9 for Hopper. [`load_cuda`] must have found the libraries.
///
/// # Errors
/// If the CUDA runtime is not loaded, or does not know the GPU.
pub fn cuda_capability(index: usize) -> Result<i32> {
    let mut major: c_int = 0;
    let index = c_int::try_from(index).unwrap_or(c_int::MAX);
    // SAFETY: the pointer is valid for writes during the call.
    check(unsafe { ffi::sst_cuda_capability(index, &raw mut major) })?;
    Ok(major)
}

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
