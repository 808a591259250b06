//! Autocast: matrix products in a lower precision, the rest in fp32.

use std::ffi::c_int;
use std::marker::PhantomData;

use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::ffi::{self, check};

/// Autocast is on until this is dropped; then the state before it is back, also after a panic.
#[derive(Debug)]
pub struct Autocast {
    cuda: c_int,
    before: (c_int, i8),
    // The state belongs to the thread it was set on.
    _not_send: PhantomData<*const ()>,
}

/// libtorch's numbers of the two types, from c10/core/ScalarType.h.
const HALF: i8 = 5;
const BFLOAT16: i8 = 15;

/// The type that a product of `x` with another of its type has: its own, or what autocast makes of it.
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

/// Switches autocast to `kind` on `device` (bf16 or fp16), or off for `None`.
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

/// Forgets the casts of weights that autocast keeps: those made while no graph was recorded would cut the graph of
/// what uses them next.
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
