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
                    let z = S::mul(x, S::splat(std::f32::consts::FRAC_1_SQRT_2));
                    let t = inverse(S::fma(_mm512_abs_ps(z), S::splat(0.327_591_1), S::splat(1.0)));
                    let mut p = S::splat(1.061_405_4);
                    for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
                        p = S::fma(p, t, S::splat(c));
                    }
                    let negative = _mm512_sub_ps(_mm512_setzero_ps(), z);
                    // 1 - erf of |z|: twice what is missing of 1 above, or there is of it below.
                    let tail = S::mul(S::mul(p, t), S::exp(S::mul(negative, z)));
                    let half = S::mul(x, S::splat(0.5));
                    let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, _mm512_setzero_ps());
                    let tail = S::mul(half, tail);
                    _mm512_mask_mov_ps(_mm512_sub_ps(x, tail), below, tail)
                }
                Self::GeluTanh => {
                    // x (1 + tanh u) / 2 = x / (1 + e^-2u).
                    let cubic = S::fma(S::mul(x, x), S::splat(0.044_715), S::splat(1.0));
                    let twice = S::mul(S::mul(x, cubic), S::splat(-1.595_769));
                    let twice = _mm512_min_ps(twice, S::splat(88.0));
                    S::mul(x, inverse(S::add(S::exp(twice), S::splat(1.0))))
                }
            }
        }
    }
}

/// `1 / x` for `x` of at least 1: an estimate of 14 bits, and a step of Newton's.
#[inline]
#[target_feature(enable = "avx512f")]
fn inverse(x: __m512) -> __m512 {
    let y = _mm512_rcp14_ps(x);
    _mm512_mul_ps(y, _mm512_fnmadd_ps(x, y, _mm512_set1_ps(2.0)))
}
