//! The forward pass of attention in bf16.

use std::arch::x86_64::*;

use super::LANES;
use super::dropout::Lines;
use super::lines::{pair, token, turn, zip};
use super::mix::over_keys;
use super::scores::{are_seen, mask_scores, with_tokens};
use crate::attention::place::{Place, heads, prefetch_next};
use crate::attention::problem::AttentionProblem;
use crate::attention::scratch::{BLOCK, Scratch, padded};
use crate::random::Dropout;
use crate::simd::{Avx512, Simd};

/// Writes `out` and the log-sum-exps for the task at `place`.
///
/// # Safety
/// As for [`kernel::forward`](crate::attention::kernel::forward); [`takes`](super::takes) must hold.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
pub(in crate::attention) unsafe fn forward(
    problem: &AttentionProblem,
    place: Place,
    scratch: &mut Scratch,
) {
    let Place { queries: (start, m), keys: (key_start, l), group, .. } = place;
    let e = problem.width;
    let [values, queries, scores] = scratch.cut([l.div_ceil(2) * e, e / 2 * BLOCK, l * BLOCK]);
    let (values, queries) = (values.cast::<i32>(), queries.cast::<i32>());
    // SAFETY: every buffer has the size that its use below needs.
    unsafe {
        let keys = token(problem.key, key_start, group * e);
        pair(token(problem.value, key_start, group * e), l, e, values);
        prefetch_next::<Avx512>(problem, place);
        for head in heads(problem, group) {
            for first in (0..m).step_by(BLOCK) {
                let count = (m - first).min(BLOCK);
                let (seen, wide) = (place.seen(problem, first + count - 1), padded(count));
                turn(token(problem.query, start + first, head * e), count, e, (queries, wide));
                with_tokens(keys, (queries, wide), [seen, e], (scores, problem.scale));
                mask_scores(problem, place, first..first + count, (scores, wide));
                let mut inverse = [0.0; BLOCK];
                for i in (0..wide).step_by(LANES) {
                    let rest = count - i;
                    let lines = Dropout::new(problem.dropout, problem.seed)
                        .map(|dropout| Lines::new(dropout, [place.row, head, first + i], rest));
                    let (largest, sum) = softmax(scores.add(i), wide, seen, lines);
                    _mm512_storeu_ps(
                        inverse.as_mut_ptr().add(i),
                        _mm512_div_ps(_mm512_set1_ps(1.0), sum),
                    );
                    if !problem.log_sums.is_null() {
                        let (mut all, mut sums) = ([0.0; LANES], [0.0_f32; LANES]);
                        _mm512_storeu_ps(all.as_mut_ptr(), largest);
                        _mm512_storeu_ps(sums.as_mut_ptr(), sum);
                        for (j, (largest, sum)) in all.iter().zip(sums).enumerate().take(rest) {
                            let token = start + first + i + j;
                            *problem.log_sums.add(token * problem.heads + head) =
                                largest + sum.ln();
                        }
                    }
                }
                let stride = problem.heads * e;
                let out = problem.out.cast::<u16>().add((start + first) * stride + head * e);
                let parts = (scores.cast::<i32>().cast_const(), wide);
                let sizes = [count, seen, e];
                over_keys(parts, values, sizes, (out, stride), |query| inverse[query]);
            }
        }
    }
}

/// Computes `e^(x - largest)` in each lane of `l` vectors, which are `wide` numbers apart, and applies dropout. Row
/// `k` of the result has the bf16 numbers of keys `2 k` and `2 k + 1` side by side, and overwrites the scores.
/// Returns the maxima, and the sums before dropout.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
unsafe fn softmax(
    scores: *mut f32,
    wide: usize,
    l: usize,
    dropout: Option<Lines>,
) -> (__m512, __m512) {
    // SAFETY: the caller promises the numbers; a row is written only after it was read.
    unsafe {
        let mut most = _mm512_set1_ps(f32::NEG_INFINITY);
        for key in 0..l {
            most = _mm512_max_ps(most, _mm512_loadu_ps(scores.add(key * wide)));
        }
        let exp = |key: usize| {
            let x = _mm512_loadu_ps(scores.add(key * wide));
            _mm512_maskz_mov_ps(are_seen(x), Avx512::exp(_mm512_sub_ps(x, most)))
        };
        let mut sum = _mm512_setzero_ps();
        for key in (0..l).step_by(2) {
            let mut a = exp(key);
            let mut b = if key + 1 < l { exp(key + 1) } else { _mm512_setzero_ps() };
            sum = _mm512_add_ps(sum, _mm512_add_ps(a, b));
            if let Some(lines) = dropout {
                a = _mm512_mul_ps(a, lines.factors(key));
                b = _mm512_mul_ps(b, lines.factors(key + 1));
            }
            _mm512_storeu_si512(scores.add(key / 2 * wide).cast(), zip(a, b));
        }
        (most, sum)
    }
}
