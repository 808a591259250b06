//! Vectors of two NEON registers each.

use std::arch::aarch64::*;

use super::{MOST_LANES, Simd};

/// NEON with fused multiply-adds, which every 64-bit Arm processor has.
pub(crate) struct Neon;

/// The number of lanes of one register.
const HALF: usize = 4;

type V = [float32x4_t; 2];

#[inline(always)]
fn each(f: impl Fn(usize) -> float32x4_t) -> V {
    [f(0), f(1)]
}

// SAFETY: every 64-bit Arm processor that runs Rust's standard library has NEON.
unsafe impl Simd for Neon {
    const LANES: usize = 2 * HALF;
    type V = V;
    #[inline(always)]
    unsafe fn prefetch(_at: *const f32) {}
    #[inline(always)]
    unsafe fn splat(x: f32) -> V {
        // SAFETY: as promised for the trait.
        unsafe { [vdupq_n_f32(x); 2] }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> V {
        // SAFETY: as promised for the trait.
        each(|i| unsafe { vld1q_f32(from.add(i * HALF)) })
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: V) {
        // SAFETY: as promised for the trait.
        unsafe {
            vst1q_f32(to, x[0]);
            vst1q_f32(to.add(HALF), x[1]);
        }
    }
    #[inline(always)]
    unsafe fn add(a: V, b: V) -> V {
        // SAFETY: as promised for the trait.
        each(|i| unsafe { vaddq_f32(a[i], b[i]) })
    }
    #[inline(always)]
    unsafe fn sub(a: V, b: V) -> V {
        // SAFETY: as promised for the trait.
        each(|i| unsafe { vsubq_f32(a[i], b[i]) })
    }
    #[inline(always)]
    unsafe fn mul(a: V, b: V) -> V {
        // SAFETY: as promised for the trait.
        each(|i| unsafe { vmulq_f32(a[i], b[i]) })
    }
    #[inline(always)]
    unsafe fn div(a: V, b: V) -> V {
        // SAFETY: as promised for the trait.
        each(|i| unsafe { vdivq_f32(a[i], b[i]) })
    }
    #[inline(always)]
    unsafe fn max(a: V, b: V) -> V {
        // SAFETY: as promised for the trait. `FMAX` would give NaN where `b` is a number.
        each(|i| unsafe { vbslq_f32(vcgtq_f32(a[i], b[i]), a[i], b[i]) })
    }
    #[inline(always)]
    unsafe fn copysign(a: V, b: V) -> V {
        // SAFETY: as promised for the trait.
        each(|i| unsafe { vbslq_f32(vdupq_n_u32(1 << 31), b[i], a[i]) })
    }
    #[inline(always)]
    unsafe fn fma(a: V, b: V, c: V) -> V {
        // SAFETY: as promised for the trait.
        each(|i| unsafe { vfmaq_f32(c[i], a[i], b[i]) })
    }
    #[inline(always)]
    unsafe fn round(x: V) -> V {
        // SAFETY: as promised for the trait.
        each(|i| unsafe { vrndnq_f32(x[i]) })
    }
    #[inline(always)]
    unsafe fn scale(x: V, n: V) -> V {
        // SAFETY: as promised for the trait.
        each(|i| unsafe {
            let exponent = vaddq_s32(vcvtq_s32_f32(n[i]), vdupq_n_s32(127));
            vmulq_f32(x[i], vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
        })
    }
    #[inline(always)]
    unsafe fn largest(x: V) -> f32 {
        // SAFETY: as promised for the trait.
        unsafe { vmaxnmvq_f32(vmaxnmq_f32(x[0], x[1])) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> V {
        // SAFETY: as promised for the trait; bf16 is the upper half of an fp32 number.
        each(|i| unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from.add(i * HALF)))) })
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, x: V) {
        for (i, x) in x.into_iter().enumerate() {
            // SAFETY: as promised for the trait. As `number::bf16` does it.
            unsafe {
                let bits = vreinterpretq_u32_f32(x);
                let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
                let rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
                let quiet = vorrq_u32(bits, vdupq_n_u32(0x40_0000));
                let rounded = vbslq_u32(vceqq_f32(x, x), rounded, quiet);
                vst1_u16(to.add(i * HALF), vshrn_n_u32::<16>(rounded));
            }
        }
    }
    #[inline(always)]
    unsafe fn transpose(lines: &mut [V; MOST_LANES]) {
        // SAFETY: as promised for the trait. Four blocks of 4 x 4 numbers, two of which change places.
        unsafe {
            let l = *lines;
            for (block, half) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let [a, b, c, d] = [0, 1, 2, 3].map(|i| l[block * HALF + i][half]);
                let (ab, cd) = (vtrnq_f32(a, b), vtrnq_f32(c, d));
                let low = |x: float32x4_t, y| vcombine_f32(vget_low_f32(x), vget_low_f32(y));
                let high = |x: float32x4_t, y| vcombine_f32(vget_high_f32(x), vget_high_f32(y));
                let made = [low(ab.0, cd.0), low(ab.1, cd.1), high(ab.0, cd.0), high(ab.1, cd.1)];
                for (i, line) in made.into_iter().enumerate() {
                    lines[half * HALF + i][block] = line;
                }
            }
        }
    }
}
