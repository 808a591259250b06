//! The vector operations that kernels use, for each instruction set.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::ffi::c_void;

#[cfg(target_arch = "aarch64")]
use neon::Neon;
use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::Avx512;
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512Bf16};

use super::cpu::CpuLevel;
use super::number::{Kind, load_line, store_line};
use super::random::LineDropout;

/// A vector of fp32 numbers.
///
/// # Safety
/// Every function needs the processor features that the implementation names; `load` and `store` need
/// `LANES` numbers behind the pointer.
pub(super) unsafe trait Simd {
    /// The number of lanes of a vector.
    const LANES: usize;
    type V: Copy;
    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, x: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// The larger number; the second if one of them is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The absolute value of `a` with the sign of `b`.
    unsafe fn copysign(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Rounds to the nearest integer.
    unsafe fn round(x: Self::V) -> Self::V;
    /// `x * 2^n` for an integer `n` in -126..=127.
    unsafe fn scale(x: Self::V, n: Self::V) -> Self::V;

    /// Prefetches the cache line of an address; an invalid address has no effect.
    unsafe fn prefetch(at: *const f32);

    /// Prefetches a cache line that will be written.
    #[inline(always)]
    unsafe fn prefetch_to_write(at: *const f32) {
        // SAFETY: as promised for the trait.
        unsafe { Self::prefetch(at) }
    }

    /// The sum of the lanes.
    #[inline(always)]
    unsafe fn sum(x: Self::V) -> f32 {
        // SAFETY: as promised for the trait.
        unsafe { fold::<Self>(x, |a, b| a + b) }
    }

    /// The largest lane.
    #[inline(always)]
    unsafe fn largest(x: Self::V) -> f32 {
        // SAFETY: as promised for the trait.
        unsafe { fold::<Self>(x, f32::max) }
    }

    /// Loads `LANES` bf16 numbers.
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self::V {
        let mut lanes = [0.0; MOST_LANES];
        // SAFETY: the caller promises the numbers; no vector has more lanes.
        unsafe {
            load_line(from.cast(), Kind::BFloat16, 0, &mut lanes[..Self::LANES]);
            Self::load(lanes.as_ptr())
        }
    }

    /// Stores bf16 numbers, rounded to the nearest even.
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, x: Self::V) {
        let mut lanes = [0.0; MOST_LANES];
        // SAFETY: the caller promises the room; no vector has more lanes.
        unsafe {
            Self::store(lanes.as_mut_ptr(), x);
            store_line(to.cast(), Kind::BFloat16, 0, &lanes[..Self::LANES]);
        }
    }

    /// Loads a vector from index `at` on.
    #[inline(always)]
    unsafe fn load_kind(from: *const c_void, kind: Kind, at: usize) -> Self::V {
        // SAFETY: the caller promises the numbers.
        unsafe {
            match kind {
                Kind::Float => Self::load(from.cast::<f32>().add(at)),
                Kind::BFloat16 => Self::load_bf16(from.cast::<u16>().add(at)),
            }
        }
    }

    /// Stores a vector from index `at` on.
    #[inline(always)]
    unsafe fn store_kind(to: *mut c_void, kind: Kind, at: usize, x: Self::V) {
        // SAFETY: the caller promises the room.
        unsafe {
            match kind {
                Kind::Float => Self::store(to.cast::<f32>().add(at), x),
                Kind::BFloat16 => Self::store_bf16(to.cast::<u16>().add(at), x),
            }
        }
    }

    /// The factors by which dropout multiplies the numbers of a line from index `at` on.
    #[inline(always)]
    unsafe fn dropout(line: LineDropout, at: usize) -> Self::V {
        let mut lanes = [0.0; MOST_LANES];
        for (i, lane) in lanes.iter_mut().enumerate().take(Self::LANES) {
            *lane = line.factor(at + i);
        }
        // SAFETY: no vector has more lanes.
        unsafe { Self::load(lanes.as_ptr()) }
    }

    /// Lane i of vector j becomes lane j of vector i, among the first `LANES` vectors.
    #[inline(always)]
    unsafe fn transpose(lines: &mut [Self::V; MOST_LANES]) {
        let mut numbers = [[0.0; MOST_LANES]; MOST_LANES];
        // SAFETY: no vector has more lanes.
        unsafe {
            for (i, line) in lines.iter().enumerate().take(Self::LANES) {
                let mut lanes = [0.0; MOST_LANES];
                Self::store(lanes.as_mut_ptr(), *line);
                for (numbers, lane) in numbers.iter_mut().zip(&lanes[..Self::LANES]) {
                    numbers[i] = *lane;
                }
            }
            for (line, numbers) in lines.iter_mut().zip(&numbers[..Self::LANES]) {
                *line = Self::load(numbers.as_ptr());
            }
        }
    }

    /// `e^x` for `x` of at most 88, with a relative error below 2e-7: Cody and Waite's reduction and the
    /// polynomial of Cephes' `expf`. Below -87 it is about 1e-38 instead of less.
    #[inline(always)]
    unsafe fn exp(x: Self::V) -> Self::V {
        // SAFETY: as promised for the trait.
        unsafe {
            // This order of arguments keeps NaN.
            let x = Self::max(Self::splat(-87.0), x);
            let n = Self::round(Self::mul(x, Self::splat(std::f32::consts::LOG2_E)));
            let r = Self::fma(n, Self::splat(-0.693_359_4), x);
            let r = Self::fma(n, Self::splat(2.121_944_4e-4), r);
            let mut p = Self::splat(1.987_569_1e-4);
            for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
                p = Self::fma(p, r, Self::splat(c));
            }
            let y = Self::fma(Self::mul(r, r), p, Self::add(r, Self::splat(1.0)));
            Self::scale(y, n)
        }
    }
}

/// The number of lanes of the widest vector.
pub(super) const MOST_LANES: usize = 16;

/// Combines the upper half of the lanes with the lower half until one lane is left.
#[inline(always)]
unsafe fn fold<S: Simd + ?Sized>(x: S::V, both: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; MOST_LANES];
    // SAFETY: no vector has more lanes.
    unsafe { S::store(lanes.as_mut_ptr(), x) };
    let mut count = S::LANES;
    while count > 1 {
        count /= 2;
        for i in 0..count {
            lanes[i] = both(lanes[i], lanes[i + count]);
        }
    }
    lanes[0]
}

/// A kernel that is compiled once for each instruction set: `run` and every function that it calls must be inlined.
pub(super) trait SimdBody {
    /// The result of the kernel.
    type Output;
    /// Runs the kernel.
    ///
    /// # Safety
    /// The processor must have the features that `S` needs.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

impl CpuLevel {
    /// Runs the version of `body` that is compiled for this level.
    pub(super) fn run_simd<B: SimdBody>(self, body: B) -> B::Output {
        match self {
            // SAFETY: the processor has this level.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 | Self::Amx => unsafe { with_avx512_bf16(body) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { with_avx512(body) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { with_avx2(body) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { body.run::<Neon>() },
            // SAFETY: nothing is assumed.
            _ => unsafe { body.run::<Portable>() },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
unsafe fn with_avx512_bf16<B: SimdBody>(body: B) -> B::Output {
    // SAFETY: the features are there.
    unsafe { body.run::<Avx512Bf16>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
unsafe fn with_avx512<B: SimdBody>(body: B) -> B::Output {
    // SAFETY: the features are there.
    unsafe { body.run::<Avx512>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2<B: SimdBody>(body: B) -> B::Output {
    // SAFETY: the features are there.
    unsafe { body.run::<Avx2>() }
}
