//! The bytes of a tensor.

use tch::{Device, Tensor};

use crate::error::{Error, Result};

/// The bytes of a contiguous tensor on the CPU, without a copy, in the machine's byte order.
///
/// # Errors
/// If the tensor is elsewhere or not contiguous.
pub fn bytes_of(tensor: &Tensor) -> Result<&[u8]> {
    if tensor.device() != Device::Cpu || !tensor.is_contiguous() {
        return Err(Error::Contract("bytes_of needs a contiguous tensor on the CPU".into()));
    }
    let length = tensor.numel() * tensor.f_kind()?.elt_size_in_bytes();
    if length == 0 {
        return Ok(&[]);
    }
    // SAFETY: a contiguous CPU tensor owns `length` bytes at its data pointer, which live as long as the
    // tensor that is borrowed; callers read them at once and run no in-place operation meanwhile.
    Ok(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<u8>(), length) })
}
