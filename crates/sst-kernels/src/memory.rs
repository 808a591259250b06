//! The memory of tensors, and TF32.

use std::ffi::c_int;

use tch::Device;

use super::{check, ffi};
use crate::error::Result;

/// From now on the memory of tensors of 64 KiB and more on the CPU is kept when they are freed, for the next ones: a training
/// step frees and asks for the same again and again, and every page from the system has to be cleared. What is
/// kept never makes the whole larger than the most that was in use at once by more than an eighth of that or
/// 64 MiB. Holds for the whole process.
///
/// # Errors
/// If libtorch fails.
pub fn keep_freed_memory() -> Result<()> {
    // SAFETY: no arguments.
    Ok(check(unsafe { ffi::sst_keep_freed_memory() })?)
}

/// Bytes that tensors take on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    /// Now.
    pub now: u64,
    /// At most since the process started.
    pub peak: u64,
}

/// What libtorch's allocator has handed out on `device`; `None` on the CPU, which it does not count.
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

/// Gives memory that no tensor takes back to the driver, so that other sizes can be had; nothing on the
/// CPU.
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
