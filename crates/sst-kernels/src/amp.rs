//! Loss scaling for fp16.

use tch::Tensor;

use crate::error::Result;
use crate::ffi::{self, check};

/// Multiplies `grads` in place by `inv_scale`, an fp32 tensor of one element. Returns an fp32 tensor `[1]` on their
/// device: 1 if a gradient is not finite, else 0. Does not synchronise with the device.
///
/// # Errors
/// If libtorch fails.
pub fn unscale<'a>(
    grads: impl IntoIterator<Item = &'a Tensor>,
    inv_scale: &Tensor,
) -> Result<Tensor> {
    let found_inf = inv_scale.f_zeros_like()?.f_reshape([1])?;
    let pointers = ffi::pointers(grads);
    // libtorch's function refuses an empty list.
    if !pointers.is_empty() {
        let (n, grads) = (pointers.len(), pointers.as_ptr());
        // SAFETY: the pointers are of live tensors and are not kept.
        check(unsafe { ffi::sst_amp_unscale(n, grads, found_inf.as_ptr(), inv_scale.as_ptr()) })?;
    }
    Ok(found_inf)
}
