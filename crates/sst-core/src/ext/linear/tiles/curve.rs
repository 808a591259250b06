//! Activations between two products.

use std::arch::x86_64::*;

use crate::ext::linear::Curve;
use crate::ext::simd::{Avx512, Simd};

impl Curve {
    /// Its values. The error function is that of Abramowitz and Stegun 1964, 7.1.26, which is off by 1.5e-7 at most.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
    pub(super) fn apply(self, x: __m512) -> __m512 {
        type S = Avx512;
        // SAFETY: the features are there.
        unsafe {
            match self {
                Self::Gelu => {
                    let [tail, _] = tail(x);
                    let tail = S::mul(S::mul(x, S::splat(0.5)), tail);
                    _mm512_mask_mov_ps(_mm512_sub_ps(x, tail), is_below(x), tail)
                }
                Self::GeluTanh => {
                    // x (1 + tanh u) / 2 = x / (1 + e^-2u).
                    S::mul(x, gate(x))
                }
            }
        }
    }

    /// Their derivatives.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
    pub(super) fn slope(self, x: __m512) -> __m512 {
        type S = Avx512;
        // SAFETY: the features are there.
        unsafe {
            match self {
                Self::Gelu => {
                    // The normal distribution, and x times its density, e^-x²/2 / sqrt(2 pi).
                    let [tail, power] = tail(x);
                    let tail = S::mul(S::splat(0.5), tail);
                    let above = _mm512_sub_ps(S::splat(1.0), tail);
                    let share = _mm512_mask_mov_ps(above, is_below(x), tail);
                    S::fma(S::mul(x, S::splat(0.398_942_3)), power, share)
                }
                Self::GeluTanh => {
                    // With s = 1 / (1 + e^-2u): s + x s (1 - s) (2u)'.
                    let s = gate(x);
                    let inner = S::fma(
                        S::mul(x, x),
                        S::splat(3.0 * 0.044_715 * 1.595_769),
                        S::splat(1.595_769),
                    );
                    let rest = _mm512_sub_ps(S::splat(1.0), s);
                    S::fma(S::mul(S::mul(x, s), rest), inner, s)
                }
            }
        }
    }
}

/// `1 - erf |x| / sqrt 2`, which is twice what is missing of 1 above zero, or there is of it below; and `e^-x²/2`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
unsafe fn tail(x: __m512) -> [__m512; 2] {
    type S = Avx512;
    // SAFETY: the features are there.
    unsafe {
        let z = S::mul(x, S::splat(std::f32::consts::FRAC_1_SQRT_2));
        let t = inverse(S::fma(_mm512_abs_ps(z), S::splat(0.327_591_1), S::splat(1.0)));
        let mut p = S::splat(1.061_405_4);
        for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
            p = S::fma(p, t, S::splat(c));
        }
        let negative = _mm512_sub_ps(_mm512_setzero_ps(), z);
        let power = S::exp(S::mul(negative, z));
        [S::mul(S::mul(p, t), power), power]
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn is_below(x: __m512) -> __mmask16 {
    _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, _mm512_setzero_ps())
}

/// `1 / (1 + e^-2u)` with `u = sqrt(2/pi) (x + 0.044715 x³)`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
unsafe fn gate(x: __m512) -> __m512 {
    type S = Avx512;
    // SAFETY: the features are there.
    unsafe {
        let cubic = S::fma(S::mul(x, x), S::splat(0.044_715), S::splat(1.0));
        let twice = S::mul(S::mul(x, cubic), S::splat(-1.595_769));
        let twice = _mm512_min_ps(twice, S::splat(88.0));
        inverse(S::add(S::exp(twice), S::splat(1.0)))
    }
}

/// `1 / x` for `x` of at least 1: an estimate of 14 bits, and a step of Newton's.
#[inline]
#[target_feature(enable = "avx512f")]
fn inverse(x: __m512) -> __m512 {
    let y = _mm512_rcp14_ps(x);
    _mm512_mul_ps(y, _mm512_fnmadd_ps(x, y, _mm512_set1_ps(2.0)))
}
