//! The number types of kernels, and kernels that the compiler vectorises.

use std::ffi::c_void;

use super::cpu::CpuLevel;

/// The number type of a tensor.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "made by the C++ side")]
#[repr(C)]
pub(super) enum Kind {
    Float = 0,
    BFloat16 = 1,
}

/// Loads numbers from index `at` on.
///
/// # Safety
/// There must be as many numbers of this type as `to` has elements.
#[inline(always)]
pub(super) unsafe fn load_line(from: *const c_void, kind: Kind, at: usize, to: &mut [f32]) {
    // SAFETY: the caller promises the numbers; bf16 is the upper half of an fp32 number.
    unsafe {
        match kind {
            Kind::Float => {
                let from = std::slice::from_raw_parts(from.cast::<f32>().add(at), to.len());
                to.copy_from_slice(from);
            }
            Kind::BFloat16 => {
                let from = std::slice::from_raw_parts(from.cast::<u16>().add(at), to.len());
                for (to, from) in to.iter_mut().zip(from) {
                    *to = f32::from_bits(u32::from(*from) << 16);
                }
            }
        }
    }
}

/// Stores `from` from index `at` on. bf16 numbers are rounded to the nearest even.
///
/// # Safety
/// The numbers must be writable, and no other thread may use them.
#[inline(always)]
pub(super) unsafe fn store_line(to: *mut c_void, kind: Kind, at: usize, from: &[f32]) {
    // SAFETY: the caller promises the room.
    unsafe {
        match kind {
            Kind::Float => {
                std::slice::from_raw_parts_mut(to.cast::<f32>().add(at), from.len())
                    .copy_from_slice(from);
            }
            Kind::BFloat16 => {
                let to = std::slice::from_raw_parts_mut(to.cast::<u16>().add(at), from.len());
                for (to, from) in to.iter_mut().zip(from) {
                    *to = bf16(*from);
                }
            }
        }
    }
}

/// Loads the number at index `at`.
///
/// # Safety
/// There must be a number of this type.
#[inline(always)]
pub(super) unsafe fn number(from: *const c_void, kind: Kind, at: usize) -> f32 {
    // SAFETY: as promised; bf16 is the upper half of an fp32 number.
    unsafe {
        match kind {
            Kind::Float => *from.cast::<f32>().add(at),
            Kind::BFloat16 => f32::from_bits(u32::from(*from.cast::<u16>().add(at)) << 16),
        }
    }
}

/// Stores the number at index `at`. A bf16 number is rounded to the nearest even.
///
/// # Safety
/// The number must be writable.
#[inline(always)]
pub(super) unsafe fn put_number(to: *mut c_void, kind: Kind, at: usize, x: f32) {
    // SAFETY: as promised.
    unsafe {
        match kind {
            Kind::Float => *to.cast::<f32>().add(at) = x,
            Kind::BFloat16 => *to.cast::<u16>().add(at) = bf16(x),
        }
    }
}

/// Rounds to the nearest bf16 number, and to the even one of two that are equally near.
#[inline(always)]
pub(super) fn bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16;
    // Rounding could turn a NaN into infinity, so it is truncated instead.
    if x.is_nan() { (bits >> 16) as u16 | 0x40 } else { rounded }
}

/// A kernel that is compiled once for each [`CpuLevel`]: `run` and every function that it calls must be inlined.
pub(super) trait Body {
    /// The result of the kernel.
    type Output;
    /// Runs the kernel.
    fn run(self) -> Self::Output;
}

impl CpuLevel {
    /// Runs the version of `body` that is compiled for this level.
    pub(super) fn run<B: Body>(self, body: B) -> B::Output {
        match self {
            // SAFETY: the processor has this level.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Bf16 | Self::Amx => unsafe { with_avx512(body) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { with_avx2(body) },
            // NEON is part of every 64-bit Arm processor.
            _ => body.run(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
fn with_avx512<B: Body>(body: B) -> B::Output {
    body.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<B: Body>(body: B) -> B::Output {
    body.run()
}
