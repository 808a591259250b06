//! Vectors for any processor.

use super::Simd;

/// Four lanes on any processor. The compiler uses a 128-bit register where there is one.
pub(crate) struct Portable;

const WIDE: usize = 4;

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> [f32; WIDE] {
    std::array::from_fn(f)
}

// SAFETY: plain arithmetic.
unsafe impl Simd for Portable {
    const LANES: usize = WIDE;
    type V = [f32; WIDE];
    #[inline(always)]
    unsafe fn prefetch(_at: *const f32) {}
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; WIDE]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller promises the numbers; an array of f32 is aligned as one.
        unsafe { from.cast::<Self::V>().read() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: Self::V) {
        // SAFETY: as above.
        unsafe { to.cast::<Self::V>().write(x) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn copysign(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i].copysign(b[i]))
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // `f32::mul_add` would call the C library's fma, which costs more than its rounding is worth.
        each(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn round(x: Self::V) -> Self::V {
        each(|i| x[i].round_ties_even())
    }
    #[inline(always)]
    unsafe fn scale(x: Self::V, n: Self::V) -> Self::V {
        each(|i| x[i] * f32::from_bits(((n[i] as i32 + 127) as u32) << 23))
    }
}
