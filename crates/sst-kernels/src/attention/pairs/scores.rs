//! The products of each query with each key, one query in each lane.

use std::arch::x86_64::*;
use std::ops::Range;

use super::LANES;
use super::tile::{Left, product};
use crate::attention::place::Place;
use crate::attention::problem::AttentionProblem;

/// Multiplies transposed queries `[e / 2, wide]` with `l` tokens, which are read in place, and with a scale. Writes
/// `[l, wide]`.
///
/// # Safety
/// The processor must have AVX-512 bf16, the numbers must be readable, and the results writable.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn with_tokens(
    (tokens, stride): (*const u16, usize),
    (queries, wide): (*const i32, usize),
    [l, e]: [usize; 2],
    (to, scale): (*mut f32, f32),
) {
    let left = Left { data: tokens.cast(), row: 2 * stride, pair: 4 };
    let scale = _mm512_set1_ps(scale);
    // SAFETY: as promised.
    unsafe {
        product(left, (queries, wide), [l, wide / LANES, e / 2], |key, sums| {
            for (i, sum) in sums.iter().enumerate() {
                let to = to.add(key * wide + i * LANES);
                _mm512_storeu_ps(to, _mm512_mul_ps(*sum, scale));
            }
        });
    }
}

/// Sets the scores of masked keys to minus infinity: keys that the last of these queries attends to, and an earlier
/// one does not.
///
/// # Safety
/// The scores must be readable and writable.
#[inline]
pub(super) unsafe fn mask_scores(
    problem: &AttentionProblem,
    place: Place,
    queries: Range<usize>,
    (scores, wide): (*mut f32, usize),
) {
    let most = place.seen(problem, queries.end - 1);
    for (i, query) in queries.enumerate() {
        for key in place.seen(problem, query)..most {
            // SAFETY: as promised.
            unsafe { *scores.add(key * wide + i) = f32::NEG_INFINITY };
        }
    }
}

/// A bit for each score that is not masked.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn are_seen(scores: __m512) -> __mmask16 {
    // A NaN score counts as not masked, so that it reaches the result.
    _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(scores, _mm512_set1_ps(f32::NEG_INFINITY))
}
