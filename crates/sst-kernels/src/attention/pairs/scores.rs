//! Products of each query with each key, a query in each lane.

use std::arch::x86_64::*;
use std::ops::Range;

use super::LANES;
use super::tile::{Left, product};
use crate::attention::place::Place;
use crate::attention::problem::AttentionProblem;

/// Those of turned queries `[e / 2, wide]` with `l` tokens where they lie, times a scale, to `[l, wide]`.
///
/// # Safety
/// The processor must have AVX-512 bf16, the numbers be there, and room for what comes of them.
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

/// Makes minus infinity of the scores of keys that one of these queries does not see and the last one does.
///
/// # Safety
/// The scores must be there.
#[inline]
pub(super) unsafe fn hide(
    task: &AttentionProblem,
    place: Place,
    queries: Range<usize>,
    (scores, wide): (*mut f32, usize),
) {
    let most = place.seen(task, queries.end - 1);
    for (i, query) in queries.enumerate() {
        for key in place.seen(task, query)..most {
            // SAFETY: as promised.
            unsafe { *scores.add(key * wide + i) = f32::NEG_INFINITY };
        }
    }
}

/// Of which vectors of scores are seen.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn are_seen(scores: __m512) -> __mmask16 {
    // What is no number is seen.
    _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(scores, _mm512_set1_ps(f32::NEG_INFINITY))
}
