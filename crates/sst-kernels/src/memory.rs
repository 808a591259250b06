//! The memory of tensors, and TF32.

use std::ffi::c_int;

use tch::Device;

use crate::error::Result;
use crate::ffi::{self, check};

/// Installs a caching allocator for CPU tensors of 64 KiB and more, for the whole process. It keeps freed memory for
/// later tensors, as a training step allocates the same sizes again and again, and the system has to clear every new
/// page. Used and kept memory together exceed the peak of the used memory by at most an eighth of it, or by 64 MiB.
///
/// # Errors
/// If libtorch fails.
pub fn keep_freed_memory() -> Result<()> {
    // SAFETY: no arguments.
    Ok(check(unsafe { ffi::sst_keep_freed_memory() })?)
}

/// The memory that tensors use on a device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    /// The current amount.
    pub now: u64,
    /// The largest amount since the process started.
    pub peak: u64,
}

/// The memory that libtorch's allocator has handed out on `device`; `None` on the CPU, where libtorch does not count it.
///
/// # Errors
/// If libtorch fails.
pub fn device_memory(device: Device) -> Result<Option<DeviceMemory>> {
    let Device::Cuda(index) = device else { return Ok(None) };
    let (mut now, mut peak) = (0, 0);
    // SAFETY: both pointers are valid for writes during the call.
    check(unsafe { ffi::sst_device_memory(index as c_int, &raw mut now, &raw mut peak) })?;
    let bytes = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(Some(DeviceMemory { now: bytes(now), peak: bytes(peak) }))
}

/// Returns memory that no tensor uses to the driver, so that other sizes can be allocated. Does nothing on the CPU.
///
/// # Errors
/// If libtorch fails.
pub fn empty_cache(device: Device) -> Result<()> {
    if device.is_cuda() {
        // SAFETY: no arguments.
        check(unsafe { ffi::sst_empty_cache() })?;
    }
    Ok(())
}

/// Lets CUDA round the factors of fp32 matrix products and convolutions to TF32 (10 bits of mantissa), or
/// not. Holds for the whole process and changes nothing on the CPU.
///
/// # Errors
/// If libtorch fails.
pub fn allow_tf32(allow: bool) -> Result<()> {
    // SAFETY: a plain value.
    Ok(check(unsafe { ffi::sst_allow_tf32(c_int::from(allow)) })?)
}

/// Whether TF32 is allowed.
///
/// # Errors
/// If libtorch fails.
pub fn tf32_allowed() -> Result<bool> {
    let mut allowed: c_int = 0;
    // SAFETY: the pointer is valid for writes during the call.
    check(unsafe { ffi::sst_tf32_allowed(&raw mut allowed) })?;
    Ok(allowed != 0)
}
