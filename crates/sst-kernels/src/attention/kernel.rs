//! Attention of the queries of one row to its keys, forward and backward, in fp32.
//!
//! Scores are computed for a block of queries at a time, so that memory grows linearly with the length of the row.
//! The backward pass computes them again from the saved log-sum-exps (Dao et al. 2022, "FlashAttention", algorithms 2
//! and 4). There are no blocks of keys, as the cache of a core holds the keys of a row.
//!
//! Letters: m queries of the row, l keys, e width of a head, rounded up to whole vectors where necessary.

use super::lines::{load, load_transposed, store};
#[cfg(target_arch = "x86_64")]
use super::pairs;
use super::place::{Place, heads, place, prefetch_next};
use super::problem::{AttentionProblem, Source, Target};
use super::product::{Left, product};
use super::query_lanes;
use super::scratch::{BLOCK, Scratch, padded};
use crate::random::{Dropout, LineDropout};
use crate::simd::Simd;

/// With fewer queries than this, one query in each lane would leave lanes unused.
const MIN_LANE_QUERIES: usize = 8;

/// Writes `out` and the log-sum-exps for task `number`.
///
/// # Safety
/// The pointers of `problem` must be valid for its sizes, no other thread may run the same number, and the processor
/// must have the features that `S` needs.
#[inline(always)]
pub(super) unsafe fn forward<S: Simd>(
    problem: &AttentionProblem,
    number: usize,
    scratch: &mut Scratch,
) {
    let place = place(problem, number);
    let Place { row, queries: (start, m), keys: (key_start, l), group } = place;
    #[cfg(target_arch = "x86_64")]
    if m >= MIN_LANE_QUERIES && pairs::takes(problem) {
        // SAFETY: passed on.
        return unsafe { pairs::forward(problem, place, scratch) };
    }
    if m >= MIN_LANE_QUERIES && problem.dropout == 0.0 {
        // SAFETY: passed on.
        return unsafe { query_lanes::forward::<S>(problem, place, scratch) };
    }
    let (e, lp, ep) = (problem.width, padded(l), padded(problem.width));
    // The padding beyond the keys and the width of a head does not affect the result.
    let [keys_el, values_le, queries, scores, mixed] =
        scratch.cut([e * lp, l * ep, BLOCK * e, BLOCK * lp, BLOCK * ep]);
    // SAFETY: every buffer has the size that its use below needs.
    unsafe {
        load_transposed::<S>(
            problem.key,
            problem.kind,
            (key_start, l),
            group * e,
            e,
            (keys_el, lp),
        );
        load::<S>(problem.value, problem.kind, (key_start, l), group * e, e, (values_le, ep), 1.0);
        prefetch_next::<S>(problem, place);
        for head in heads(problem, group) {
            for first in (0..m).step_by(BLOCK) {
                let count = (m - first).min(BLOCK);
                let seen = place.seen(problem, first + count - 1);
                let block = (start + first, count);
                load::<S>(
                    problem.query,
                    problem.kind,
                    block,
                    head * e,
                    e,
                    (queries, e),
                    problem.scale,
                );
                let left = Left { data: queries, row: e, column: 1 };
                product::<S>([count, padded(seen), e], left, (keys_el, lp), (scores, lp), false);
                let mut inverse = [0.0; BLOCK];
                for (i, inverse) in inverse.iter_mut().enumerate().take(count) {
                    let limit = place.seen(problem, first + i);
                    let line = scores.add(i * lp);
                    let (largest, sum) = softmax::<S>(line, limit, padded(seen));
                    if !problem.log_sums.is_null() {
                        *problem.log_sums.add((start + first + i) * problem.heads + head) =
                            largest + sum.ln();
                    }
                    *inverse = 1.0 / sum;
                    if let Some(dropout) = Dropout::new(problem.dropout, problem.seed) {
                        drop_some::<S>(line, dropout.line([row, head, first + i]), padded(seen));
                    }
                }
                let left = Left { data: scores, row: lp, column: 1 };
                product::<S>([count, ep, seen], left, (values_le, ep), (mixed, ep), false);
                for (i, inverse) in inverse.into_iter().enumerate().take(count) {
                    let to = (start + first + i) * problem.heads * e + head * e;
                    store::<S>(problem.out, problem.kind, to, e, mixed.add(i * ep), inverse);
                }
            }
        }
    }
}

/// Writes the gradients of query, key and value for task `number`.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
pub(super) unsafe fn backward<S: Simd>(
    problem: &AttentionProblem,
    number: usize,
    scratch: &mut Scratch,
) {
    let place = place(problem, number);
    let Place { row, queries: (start, m), keys: (key_start, l), group } = place;
    #[cfg(target_arch = "x86_64")]
    if m >= MIN_LANE_QUERIES && pairs::takes(problem) {
        // SAFETY: passed on.
        return unsafe { pairs::backward(problem, place, scratch) };
    }
    let (e, lp, ep) = (problem.width, padded(l), padded(problem.width));
    let most = m.min(BLOCK);
    if e != ep {
        // The padding of rows is added to sums, so it has to be zero.
        scratch.clear();
    }
    let [keys_el, values_el, keys_le, key_grads, value_grads, queries, grads, outs, scores, slopes] =
        scratch.cut([
            e * lp,
            e * lp,
            l * ep,
            l * ep,
            l * ep,
            most * ep,
            most * ep,
            most * ep,
            most * lp,
            most * lp,
        ]);
    // SAFETY: every buffer has the size that its use below needs.
    unsafe {
        // All blocks and heads add to these two.
        key_grads.write_bytes(0, l * ep);
        value_grads.write_bytes(0, l * ep);
        load_transposed::<S>(
            problem.key,
            problem.kind,
            (key_start, l),
            group * e,
            e,
            (keys_el, lp),
        );
        load_transposed::<S>(
            problem.value,
            problem.kind,
            (key_start, l),
            group * e,
            e,
            (values_el, lp),
        );
        load::<S>(problem.key, problem.kind, (key_start, l), group * e, e, (keys_le, ep), 1.0);
        let out = Source { data: problem.out.cast_const(), stride: problem.heads * e };
        for head in heads(problem, group) {
            for first in (0..m).step_by(BLOCK) {
                let count = (m - first).min(BLOCK);
                let seen = place.seen(problem, first + count - 1);
                let block = (start + first, count);
                load::<S>(
                    problem.query,
                    problem.kind,
                    block,
                    head * e,
                    e,
                    (queries, ep),
                    problem.scale,
                );
                load::<S>(problem.out_grad, problem.kind, block, head * e, e, (grads, ep), 1.0);
                load::<S>(out, problem.kind, block, head * e, e, (outs, ep), 1.0);
                let left = Left { data: queries, row: ep, column: 1 };
                product::<S>([count, padded(seen), e], left, (keys_el, lp), (scores, lp), false);
                let left = Left { data: grads, row: ep, column: 1 };
                product::<S>([count, padded(seen), e], left, (values_el, lp), (slopes, lp), false);
                for i in 0..count {
                    let limit = place.seen(problem, first + i);
                    let (line, slope) = (scores.add(i * lp), slopes.add(i * lp));
                    let log_sum = *problem.log_sums.add((start + first + i) * problem.heads + head);
                    let mean = dot::<S>(grads.add(i * ep), outs.add(i * ep), ep);
                    probabilities::<S>(line, log_sum, limit, padded(seen));
                    // `slope` becomes the gradient of the scores, and `line` the probabilities after dropout.
                    let dropout = Dropout::new(problem.dropout, problem.seed)
                        .map(|dropout| dropout.line([row, head, first + i]));
                    score_gradient::<S>(line, slope, mean, padded(seen), dropout);
                }
                let left = Left { data: scores, row: 1, column: lp };
                product::<S>([seen, ep, count], left, (grads, ep), (value_grads, ep), true);
                let left = Left { data: slopes, row: 1, column: lp };
                product::<S>([seen, ep, count], left, (queries, ep), (key_grads, ep), true);
                // `outs` is free from here on, and is reused.
                let left = Left { data: slopes, row: lp, column: 1 };
                product::<S>([count, ep, seen], left, (keys_le, ep), (outs, ep), false);
                for i in 0..count {
                    let to = (start + first + i) * problem.query_grad.stride + head * e;
                    store::<S>(
                        problem.query_grad.data,
                        problem.kind,
                        to,
                        e,
                        outs.add(i * ep),
                        problem.scale,
                    );
                }
            }
        }
        for i in 0..l {
            let to = |target: Target| (key_start + i) * target.stride + group * e;
            let (keys, values) = (problem.key_grad, problem.value_grad);
            store::<S>(keys.data, problem.kind, to(keys), e, key_grads.add(i * ep), 1.0);
            store::<S>(values.data, problem.kind, to(values), e, value_grads.add(i * ep), 1.0);
        }
    }
}

/// Replaces the first `limit` scores by `e^(x - largest)`, and the rest up to `end` by zeros. Returns the maximum and
/// the sum.
#[inline(always)]
unsafe fn softmax<S: Simd>(line: *mut f32, limit: usize, end: usize) -> (f32, f32) {
    // SAFETY: `line` has `end` numbers, a multiple of the lanes.
    unsafe {
        for i in limit..end {
            *line.add(i) = f32::NEG_INFINITY;
        }
        let mut largest = S::load(line);
        for i in (S::LANES..end).step_by(S::LANES) {
            largest = S::max(largest, S::load(line.add(i)));
        }
        let largest = S::largest(largest);
        let shift = S::splat(-largest);
        let mut sum = S::splat(0.0);
        for i in (0..end).step_by(S::LANES) {
            let x = S::exp(S::add(S::load(line.add(i)), shift));
            S::store(line.add(i), x);
            sum = S::add(sum, x);
        }
        // `exp` of minus infinity gives a tiny number instead of zero here, so masked positions are set to zero.
        for i in limit..end {
            *line.add(i) = 0.0;
        }
        (largest, S::sum(sum))
    }
}

/// Replaces the first `limit` scores by `e^(x - log_sum)`, and the rest up to `end` by zeros.
#[inline(always)]
unsafe fn probabilities<S: Simd>(line: *mut f32, log_sum: f32, limit: usize, end: usize) {
    // SAFETY: as for `softmax`.
    unsafe {
        let shift = S::splat(-log_sum);
        for i in (0..limit).step_by(S::LANES) {
            S::store(line.add(i), S::exp(S::add(S::load(line.add(i)), shift)));
        }
        for i in limit..end {
            *line.add(i) = 0.0;
        }
    }
}

/// Applies dropout to a line of `end` numbers.
#[inline(always)]
unsafe fn drop_some<S: Simd>(line: *mut f32, dropout: LineDropout, end: usize) {
    for i in (0..end).step_by(S::LANES) {
        // SAFETY: there are `end` numbers, a multiple of the lanes.
        unsafe {
            let kept = S::mul(S::load(line.add(i)), S::dropout(dropout, i));
            S::store(line.add(i), kept);
        }
    }
}

/// The backward pass of dropout and softmax for one line. On entry `line` holds the probabilities p, and `slope` the
/// gradient g of the probabilities after dropout. On return `slope` holds the gradient of the scores,
/// `p (dropout(g) - mean)`, and `line` the probabilities after dropout.
#[inline(always)]
unsafe fn score_gradient<S: Simd>(
    line: *mut f32,
    slope: *mut f32,
    mean: f32,
    end: usize,
    dropout: Option<LineDropout>,
) {
    for i in (0..end).step_by(S::LANES) {
        // SAFETY: both have `end` numbers, a multiple of the lanes.
        unsafe {
            let (p, mut grad) = (S::load(line.add(i)), S::load(slope.add(i)));
            if let Some(dropout) = dropout {
                let factors = S::dropout(dropout, i);
                grad = S::mul(grad, factors);
                S::store(line.add(i), S::mul(p, factors));
            }
            S::store(slope.add(i), S::mul(p, S::add(grad, S::splat(-mean))));
        }
    }
}

/// The inner product of two padded rows.
#[inline(always)]
unsafe fn dot<S: Simd>(a: *const f32, b: *const f32, n: usize) -> f32 {
    // SAFETY: both have `n` numbers, a multiple of the lanes.
    unsafe {
        let mut sum = S::splat(0.0);
        for i in (0..n).step_by(S::LANES) {
            sum = S::fma(S::load(a.add(i)), S::load(b.add(i)), sum);
        }
        S::sum(sum)
    }
}
