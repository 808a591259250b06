//! Loads and stores tokens in the layouts that dot products of bf16 pairs need.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::{LANES, NUMBERS};
use crate::attention::problem::Source;
use crate::simd::{Avx512, MOST_LANES, Simd};

/// The address of a token's numbers, and the distance between tokens in numbers.
pub(super) fn token(from: Source, token: usize, column: usize) -> (*const u16, usize) {
    let place = token * from.stride + column;
    (from.data.cast::<u16>().wrapping_add(place), from.stride)
}

/// Transposes `count` tokens: row `c` holds numbers `2 c` and `2 c + 1` of each token side by side, with zeros up to
/// a whole vector.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn turn(
    (from, stride): (*const u16, usize),
    count: usize,
    e: usize,
    (to, wide): (*mut i32, usize),
) {
    for first in (0..wide).step_by(LANES) {
        for column in (0..e).step_by(NUMBERS) {
            // SAFETY: the caller promises the tokens and the room.
            unsafe {
                let mut lines = [_mm512_setzero_ps(); MOST_LANES];
                for (i, line) in lines.iter_mut().enumerate().take(count - first) {
                    *line = _mm512_loadu_ps(from.add((first + i) * stride + column).cast());
                }
                Avx512::transpose(&mut lines);
                for (i, line) in lines.into_iter().enumerate() {
                    _mm512_storeu_ps(to.add((column / 2 + i) * wide + first).cast(), line);
                }
            }
        }
    }
}

/// Interleaves tokens: row `k` holds the numbers of tokens `2 k` and `2 k + 1` side by side, with zeros after the
/// last token.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn pair(
    (from, stride): (*const u16, usize),
    count: usize,
    e: usize,
    to: *mut i32,
) {
    const BOTH: [i16; NUMBERS] = alternating(NUMBERS);
    // SAFETY: the caller promises the tokens and the room.
    unsafe {
        let lower = _mm512_loadu_si512(BOTH.as_ptr().cast());
        let upper = _mm512_add_epi16(lower, _mm512_set1_epi16(LANES as i16));
        for k in 0..count.div_ceil(2) {
            for column in (0..e).step_by(NUMBERS) {
                let at = from.wrapping_add(2 * k * stride + column);
                let a = _mm512_loadu_si512(at.cast());
                let b = match 2 * k + 1 < count {
                    true => _mm512_loadu_si512(at.wrapping_add(stride).cast()),
                    false => _mm512_setzero_si512(),
                };
                let to = to.add(k * e + column);
                _mm512_storeu_si512(to.cast(), _mm512_permutex2var_epi16(a, lower, b));
                _mm512_storeu_si512(to.add(LANES).cast(), _mm512_permutex2var_epi16(a, upper, b));
            }
        }
    }
}

/// Indices that alternate between the first numbers and those `further` behind them.
const fn alternating(further: usize) -> [i16; NUMBERS] {
    let mut all = [0; NUMBERS];
    let mut i = 0;
    while i < LANES {
        all[2 * i] = i as i16;
        all[2 * i + 1] = (further + i) as i16;
        i += 1;
    }
    all
}

/// Interleaves two vectors as bf16: each lane of the result holds one pair.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn zip(a: __m512, b: __m512) -> __m512i {
    const MIXED: [i16; NUMBERS] = alternating(LANES);
    // SAFETY: as many numbers as a vector has.
    let order = unsafe { _mm512_loadu_si512(MIXED.as_ptr().cast()) };
    _mm512_permutexvar_epi16(order, join(a, b))
}

/// Concatenates two vectors as bf16: the numbers of `a`, then those of `b`.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn join(a: __m512, b: __m512) -> __m512i {
    // SAFETY: both types are 512 bits without a niche.
    unsafe { transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a)) }
}

/// Writes two vectors, multiplied by a factor, in bf16.
///
/// # Safety
/// The processor must have AVX-512 bf16, and the numbers must be writable.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn write(to: *mut u16, sums: &[__m512], factor: __m512) {
    let [a, b] = [0, 1].map(|i| _mm512_mul_ps(sums[i], factor));
    // SAFETY: as promised.
    unsafe { _mm512_storeu_si512(to.cast(), join(a, b)) };
}
