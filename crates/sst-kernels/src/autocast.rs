//! Autocast: matrix products run in a lower precision, other operators in fp32.

use std::ffi::c_int;
use std::marker::PhantomData;

use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::ffi::{self, check};

/// A guard: autocast is on until it is dropped. The previous state is then restored, also after a panic.
#[derive(Debug)]
pub struct Autocast {
    cuda: c_int,
    before: (c_int, i8),
    // The state belongs to the thread that set it.
    _not_send: PhantomData<*const ()>,
}

/// The numbers of the two types in libtorch's c10/core/ScalarType.h.
const HALF: i8 = 5;
const BFLOAT16: i8 = 15;

/// The type of a matrix product of `x` with a tensor of the same type: the type that autocast chooses if it is on,
/// else the type of `x`.
///
/// # Errors
/// If libtorch fails.
pub fn product_kind(x: &Tensor) -> Result<Kind> {
    let (mut enabled, mut dtype) = (0, 0);
    let cuda = c_int::from(x.device().is_cuda());
    // SAFETY: both pointers are valid for writes during the call.
    check(unsafe { ffi::sst_autocast_state(cuda, &raw mut enabled, &raw mut dtype) })?;
    match (enabled, dtype) {
        (0, _) => Ok(x.f_kind()?),
        (_, HALF) => Ok(Kind::Half),
        _ => Ok(Kind::BFloat16),
    }
}

/// Turns autocast to `kind` (bf16 or fp16) on for `device`, or off for `None`.
///
/// # Errors
/// If libtorch refuses the type.
pub fn autocast(device: Device, kind: Option<Kind>) -> Result<Autocast> {
    let cuda = c_int::from(device.is_cuda());
    let dtype = if kind == Some(Kind::Half) { HALF } else { BFLOAT16 };
    let mut before = (0, 0);
    // SAFETY: both pointers are valid for writes during the call.
    let code = unsafe {
        ffi::sst_autocast_enter(
            cuda,
            c_int::from(kind.is_some()),
            dtype,
            &raw mut before.0,
            &raw mut before.1,
        )
    };
    check(code)?;
    Ok(Autocast { cuda, before, _not_send: PhantomData })
}

/// Clears the weights that autocast has cast and cached. A cast that was made without a graph would be missing in the
/// graph of the next operator that uses it.
///
/// # Errors
/// If libtorch fails.
pub fn clear_autocast_cache() -> Result<()> {
    // SAFETY: a plain call.
    Ok(check(unsafe { ffi::sst_autocast_clear() })?)
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: plain values; this thread entered autocast in `autocast`.
        let code = unsafe { ffi::sst_autocast_leave(self.cuda, self.before.0, self.before.1) };
        if let Err(error) = check(code) {
            tracing::error!("autocast could not be left: {error}");
        }
    }
}
