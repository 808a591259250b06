//! Activations and their derivatives, with the vectors of any processor.

use crate::linear::FusedActivation;
use crate::simd::Simd;

/// `2 * sqrt(2 / pi)`, from the tanh approximation.
const SCALE: f32 = 1.595_769;
const CUBIC: f32 = 0.044_715;

impl FusedActivation {
    /// The activation of each number.
    #[inline(always)]
    pub(super) unsafe fn values<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: the processor has what `S` needs.
        unsafe {
            match self {
                Self::Gelu => S::mul(x, normal::<S>(x).0),
                Self::GeluTanh => S::mul(x, gate::<S>(x)),
            }
        }
    }

    /// The derivative of the activation at each number.
    #[inline(always)]
    pub(super) unsafe fn derivatives<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as above.
        unsafe {
            match self {
                Self::Gelu => {
                    let (share, exponential) = normal::<S>(x);
                    // 1 / sqrt(2 pi).
                    let density = S::mul(exponential, S::splat(0.398_942_3));
                    S::fma(x, density, share)
                }
                Self::GeluTanh => {
                    // With s = 1 / (1 + e^-2u): s + x s (1 - s) (2u)'.
                    let s = gate::<S>(x);
                    let square = S::mul(x, x);
                    let inner = S::fma(square, S::splat(3.0 * CUBIC * SCALE), S::splat(SCALE));
                    let rest = S::sub(S::splat(1.0), s);
                    S::fma(S::mul(S::mul(x, s), rest), inner, s)
                }
            }
        }
    }
}

/// `P(X < x)` of the normal distribution, with an error of at most 1e-7, and `e^(-x²/2)` (Abramowitz and Stegun 1964,
/// 7.1.26).
#[inline(always)]
unsafe fn normal<S: Simd>(x: S::V) -> (S::V, S::V) {
    // SAFETY: as above.
    unsafe {
        let half = S::splat(0.5);
        let size = S::copysign(x, S::splat(1.0));
        // 0.3275911 / sqrt(2), as the argument of the error function is x / sqrt(2).
        let t = S::fma(size, S::splat(0.231_641_9), S::splat(1.0));
        let t = S::div(S::splat(1.0), t);
        let mut p = S::splat(1.061_405_4);
        for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
            p = S::fma(p, t, S::splat(c));
        }
        let exponential = S::exp(S::mul(S::mul(x, x), S::splat(-0.5)));
        // One half minus the tail beyond |x|: the probability between 0 and |x|.
        let beyond = S::mul(S::mul(S::mul(p, t), half), exponential);
        let between = S::copysign(S::sub(half, beyond), x);
        (S::add(half, between), exponential)
    }
}

/// `1 / (1 + e^-2u)` with `u = sqrt(2/pi) (x + 0.044715 x³)`.
#[inline(always)]
unsafe fn gate<S: Simd>(x: S::V) -> S::V {
    // SAFETY: as above.
    unsafe {
        let one = S::splat(1.0);
        let cubic = S::fma(S::mul(x, x), S::splat(CUBIC), one);
        let twice = S::mul(S::mul(x, cubic), S::splat(SCALE));
        // At most 88; this order of arguments keeps NaN.
        let twice = S::max(S::splat(-88.0), twice);
        let exponential = S::exp(S::mul(twice, S::splat(-1.0)));
        S::div(one, S::add(one, exponential))
    }
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;
    use crate::cpu::CpuLevel;
    use crate::simd::SimdBody;

    const X: [f32; 16] = [
        -1e9, -100.0, -6.0, -5.500_001, -5.499_999, -3.0, -1.0, -1e-3, -0.0, 0.0, 1e-3, 0.7, 3.0,
        5.499_999, 5.5, 1e9,
    ];

    struct Both(FusedActivation);

    impl SimdBody for Both {
        type Output = [[f32; 16]; 2];

        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> [[f32; 16]; 2] {
            let mut made = [[0.0; 16]; 2];
            for at in (0..16).step_by(S::LANES) {
                // SAFETY: 16 numbers each.
                unsafe {
                    let x = S::load(X.as_ptr().add(at));
                    S::store(made[0].as_mut_ptr().add(at), self.0.values::<S>(x));
                    S::store(made[1].as_mut_ptr().add(at), self.0.derivatives::<S>(x));
                }
            }
            made
        }
    }

    #[test]
    fn values_and_derivatives_are_those_of_libtorch_far_out_too() {
        for (activation, name) in
            [(FusedActivation::Gelu, "none"), (FusedActivation::GeluTanh, "tanh")]
        {
            let x = Tensor::from_slice(&X).to_kind(Kind::Double).set_requires_grad(true);
            let y = x.gelu(name);
            y.sum(Kind::Double).f_backward().unwrap();
            let expected = [y.detach(), x.grad()].map(|t| Vec::<f64>::try_from(t).unwrap());
            for level in CpuLevel::available() {
                let made = level.run_simd(Both(activation));
                for (made, expected) in made.iter().zip(&expected) {
                    for ((x, made), expected) in X.iter().zip(made).zip(expected) {
                        let off = (f64::from(*made) - expected).abs();
                        let bound = 1e-6 * expected.abs().max(1.0);
                        assert!(
                            off < bound,
                            "{activation:?} of {x}, {level}: {made}, not {expected}"
                        );
                    }
                }
            }
        }
    }
}
