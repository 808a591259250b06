//! Activations and their derivatives, with AVX-512.

use std::arch::x86_64::*;

use super::normal::{Cubics, DERIVATIVE, END, PIECES, SHARE};
use crate::linear::FusedActivation;
use crate::simd::{Avx512, Simd};

impl FusedActivation {
    /// The activation of each number.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
    pub(in crate::linear::tiles) fn apply(self, x: __m512) -> __m512 {
        type S = Avx512;
        // SAFETY: the features are there.
        unsafe {
            match self {
                Self::Gelu => S::mul(x, above_half(x, &SHARE)),
                Self::GeluTanh => {
                    // x (1 + tanh u) / 2 = x / (1 + e^-2u).
                    S::mul(x, gate(x))
                }
            }
        }
    }

    /// The derivative of the activation at each number.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
    pub(in crate::linear::tiles) fn derivative(self, x: __m512) -> __m512 {
        type S = Avx512;
        // SAFETY: the features are there.
        unsafe {
            match self {
                Self::Gelu => above_half(x, &DERIVATIVE),
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

/// A half plus the odd function that these cubics approximate.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn above_half(x: __m512, Cubics(all): &Cubics) -> __m512 {
    const WHOLE: f32 = PIECES as f32 / END;
    let at = _mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(WHOLE));
    let is_beyond = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(at, _mm512_set1_ps(PIECES as f32));
    // The permutation uses only the lower five bits of the index of a piece.
    let piece = _mm512_cvttps_epi32(at);
    let t = _mm512_reduce_ps::<{ _MM_FROUND_TO_ZERO }>(at);
    let [c0, c1, c2, c3] = all.each_ref().map(|c| {
        // SAFETY: 32 numbers, aligned.
        let (low, high) =
            unsafe { (_mm512_load_ps(c.as_ptr()), _mm512_load_ps(c.as_ptr().add(16))) };
        _mm512_permutex2var_ps(low, piece, high)
    });
    let y = _mm512_fmadd_ps(_mm512_fmadd_ps(_mm512_fmadd_ps(c3, t, c2), t, c1), t, c0);
    let half = _mm512_set1_ps(0.5);
    let y = _mm512_mask_mov_ps(y, is_beyond, half);
    let sign = _mm512_and_ps(x, _mm512_set1_ps(-0.0));
    _mm512_add_ps(half, _mm512_xor_ps(y, sign))
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

/// `1 / x` for `x` of at least 1: an estimate with 14 bits, and one Newton step.
#[inline]
#[target_feature(enable = "avx512f")]
fn inverse(x: __m512) -> __m512 {
    let y = _mm512_rcp14_ps(x);
    _mm512_mul_ps(y, _mm512_fnmadd_ps(x, y, _mm512_set1_ps(2.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::tiles::{Unit, unit};

    #[test]
    fn gelu_and_its_derivative_are_those_of_libtorch_far_out_too() {
        if unit() < Some(Unit::Vectors) {
            eprintln!("skipped: the processor has no AVX-512 bf16");
            return;
        }
        let x = [
            -1e9, -100.0, -6.0, -5.500_001, -5.499_999, -3.0, -1.0, -1e-3, -0.0, 0.0, 1e-3, 0.7,
            3.0, 5.499_999, 5.5, 1e9,
        ];
        let (mut y, mut derivative) = ([0.0_f32; 16], [0.0_f32; 16]);
        // SAFETY: the processor has it all; 16 numbers each.
        unsafe {
            let x = _mm512_loadu_ps(x.as_ptr());
            _mm512_storeu_ps(y.as_mut_ptr(), FusedActivation::Gelu.apply(x));
            _mm512_storeu_ps(derivative.as_mut_ptr(), FusedActivation::Gelu.derivative(x));
        }
        let x_t = tch::Tensor::from_slice(&x).to_kind(tch::Kind::Double).set_requires_grad(true);
        let y_t = x_t.gelu("none");
        y_t.sum(tch::Kind::Double).f_backward().unwrap();
        let right: Vec<f64> = Vec::try_from(&y_t.detach()).unwrap();
        let derivatives: Vec<f64> = Vec::try_from(&x_t.grad()).unwrap();
        for i in 0..16 {
            let (off, bound) = ((f64::from(y[i]) - right[i]).abs(), 1e-6 * right[i].abs().max(1.0));
            assert!(off < bound, "GELU of {}: {} instead of {}", x[i], y[i], right[i]);
            let off = (f64::from(derivative[i]) - derivatives[i]).abs();
            assert!(
                off < 2e-6,
                "derivative at {}: {} instead of {}",
                x[i],
                derivative[i],
                derivatives[i]
            );
        }
    }
}
