//! Sums over keys.

use std::arch::x86_64::*;

use super::NUMBERS;
use super::lines::write;
use super::tile::{Left, product};

/// Of each of m queries the sum over `[l / 2, wide]` pairs of keys, a query in each lane, with the pairs of tokens
/// `[l / 2, e]`, times a factor of the query, to tokens.
///
/// # Safety
/// The processor must have AVX-512 bf16, the numbers be there, and room for what comes of them.
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
