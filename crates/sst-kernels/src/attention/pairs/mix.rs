//! The weighted sums of values, or of keys in the backward pass.

use std::arch::x86_64::*;

use super::NUMBERS;
use super::lines::write;
use super::tile::{Left, product};

/// For m queries, one in each lane, multiplies `[l / 2, wide]` pairs of weights with the pairs of tokens
/// `[l / 2, e]`, sums over the keys, multiplies by the factor of the query, and writes the results to tokens.
///
/// # Safety
/// The processor must have AVX-512 bf16, the numbers must be readable, and the results writable.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn over_keys(
    (pairs, wide): (*const i32, usize),
    right: *const i32,
    [m, l, e]: [usize; 3],
    (to, stride): (*mut u16, usize),
    factor: impl Fn(usize) -> f32,
) {
    let left = Left { data: pairs.cast(), row: 4, pair: 4 * wide };
    for column in (0..e).step_by(NUMBERS) {
        // SAFETY: as promised.
        unsafe {
            product(left, (right.add(column), e), [m, 2, l.div_ceil(2)], |query, sums| {
                write(to.add(query * stride + column), sums, _mm512_set1_ps(factor(query)));
            });
        }
    }
}
