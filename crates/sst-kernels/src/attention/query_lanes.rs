//! The forward pass with one query in each lane of a vector.
//!
//! The softmax of a query then runs within one lane, and needs no sums across lanes. With 32 keys such sums, once for
//! the maximum and once for the sum of each query, take longer than the exponentials. This form needs enough queries
//! to fill the vectors, and no dropout, whose mask is drawn along the keys.
//!
//! Letters: m queries of the row, l keys, e width of a head.

use super::lines::{load, load_transposed, store};
use super::place::{Place, heads, prefetch_next};
use super::problem::AttentionProblem;
use super::product::{Left, product};
use super::scratch::{BLOCK, Scratch, padded};
use crate::simd::Simd;

/// Writes `out` and the log-sum-exps for the task at `place`.
///
/// # Safety
/// As for [`super::kernel::forward`]; there must be no dropout.
#[inline(always)]
pub(super) unsafe fn forward<S: Simd>(
    problem: &AttentionProblem,
    place: Place,
    scratch: &mut Scratch,
) {
    let Place { queries: (start, m), keys: (key_start, l), group, .. } = place;
    let (e, ep) = (problem.width, padded(problem.width));
    // The padding beyond the queries and the width of a head does not affect the result.
    let [keys_le, values_le, queries_em, scores_lm, mixed] =
        scratch.cut([l * e, l * ep, e * BLOCK, l * BLOCK, BLOCK * ep]);
    // SAFETY: every buffer has the size that its use below needs.
    unsafe {
        let keys = (key_start, l);
        load::<S>(problem.key, problem.kind, keys, group * e, e, (keys_le, e), problem.scale);
        load::<S>(problem.value, problem.kind, keys, group * e, e, (values_le, ep), 1.0);
        prefetch_next::<S>(problem, place);
        for head in heads(problem, group) {
            for first in (0..m).step_by(BLOCK) {
                let count = (m - first).min(BLOCK);
                let (seen, wide) = (place.seen(problem, first + count - 1), padded(count));
                let (block, to) = ((start + first, count), (queries_em, wide));
                load_transposed::<S>(problem.query, problem.kind, block, head * e, e, to);
                let left = Left { data: keys_le, row: e, column: 1 };
                product::<S>([seen, wide, e], left, (queries_em, wide), (scores_lm, wide), false);
                let limits = |i| place.seen(problem, first + i);
                mask_scores(scores_lm, wide, (0..count).map(limits), seen, f32::NEG_INFINITY);
                let mut largest = [0.0; BLOCK];
                let mut sums = [0.0; BLOCK];
                for i in (0..wide).step_by(S::LANES) {
                    let (largest, sums) = (largest.as_mut_ptr().add(i), sums.as_mut_ptr().add(i));
                    softmax::<S>(scores_lm.add(i), wide, seen, largest, sums);
                }
                // `exp` of minus infinity gives a tiny number instead of zero here, so masked positions are set to
                // zero.
                mask_scores(scores_lm, wide, (0..count).map(limits), seen, 0.0);
                let left = Left { data: scores_lm, row: 1, column: wide };
                product::<S>([count, ep, seen], left, (values_le, ep), (mixed, ep), false);
                for i in 0..count {
                    let token = start + first + i;
                    let (at, line) = (token * problem.heads * e + head * e, mixed.add(i * ep));
                    store::<S>(problem.out, problem.kind, at, e, line, 1.0 / sums[i]);
                    if !problem.log_sums.is_null() {
                        *problem.log_sums.add(token * problem.heads + head) =
                            largest[i] + sums[i].ln();
                    }
                }
            }
        }
    }
}

/// Writes `value` at the masked keys of each query: from the query's limit up to `end`.
#[inline(always)]
unsafe fn mask_scores(
    scores: *mut f32,
    wide: usize,
    limits: impl Iterator<Item = usize>,
    end: usize,
    value: f32,
) {
    for (i, limit) in limits.enumerate() {
        for key in limit..end {
            // SAFETY: the caller promises `end` lines of `wide` numbers.
            unsafe { *scores.add(key * wide + i) = value };
        }
    }
}

/// Replaces each lane of `l` vectors, which are `wide` numbers apart, by `e^(x - largest)`. Returns the maximum and
/// the sum of each lane.
#[inline(always)]
unsafe fn softmax<S: Simd>(
    scores: *mut f32,
    wide: usize,
    l: usize,
    largest: *mut f32,
    sums: *mut f32,
) {
    // SAFETY: the caller promises the numbers.
    unsafe {
        let mut most = S::load(scores);
        for key in 1..l {
            most = S::max(most, S::load(scores.add(key * wide)));
        }
        S::store(largest, most);
        let shift = S::mul(most, S::splat(-1.0));
        let mut sum = S::splat(0.0);
        for key in 0..l {
            let at = scores.add(key * wide);
            let x = S::exp(S::add(S::load(at), shift));
            S::store(at, x);
            sum = S::add(sum, x);
        }
        S::store(sums, sum);
    }
}
