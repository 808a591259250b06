//! Attention of the queries of one row with its keys, forward and backward, in fp32.
//!
//! Scores are made a block of queries at a time, so that memory grows with the row and not with its
//! square; the backward pass makes them again from the saved logarithms of their sums (Dao et al. 2022,
//! "FlashAttention", algorithms 2 and 4, without the blocks of keys, which a core's cache has no need of).
//!
//! Letters: m queries of the row, l keys, e width of a head, padded up to whole vectors where rows need it.

use super::abreast;
use super::lines::{load, load_transposed, store};
#[cfg(target_arch = "x86_64")]
use super::pairs;
use super::place::{Place, heads, place, prefetch_next};
use super::problem::{AttentionProblem, Source, Target};
use super::product::{Left, product};
use super::scratch::{BLOCK, Scratch, padded};
use crate::random::{Dropout, LineDropout};
use crate::simd::Simd;

/// Queries from which on they go abreast: fewer would leave lanes of a vector empty.
const ABREAST: usize = 8;

/// Writes `out` and the logarithms of the sums for task `number`.
///
/// # Safety
/// The pointers of `task` must be valid for its sizes, no other thread may run the same number, and the
/// processor must have what `S` needs.
#[inline(always)]
pub(super) unsafe fn forward<S: Simd>(
    task: &AttentionProblem,
    number: usize,
    scratch: &mut Scratch,
) {
    let place = place(task, number);
    let Place { row, queries: (start, m), keys: (key_start, l), group } = place;
    #[cfg(target_arch = "x86_64")]
    if m >= ABREAST && pairs::takes(task) {
        // SAFETY: passed on.
        return unsafe { pairs::forward(task, place, scratch) };
    }
    if m >= ABREAST && task.dropout == 0.0 {
        // SAFETY: passed on.
        return unsafe { abreast::forward::<S>(task, place, scratch) };
    }
    let (e, lp, ep) = (task.width, padded(l), padded(task.width));
    // What lies beyond the keys and the width of a head reaches no result.
    let [keys_el, values_le, queries, scores, mixed] =
        scratch.cut([e * lp, l * ep, BLOCK * e, BLOCK * lp, BLOCK * ep]);
    // SAFETY: every buffer has the size that its use below needs.
    unsafe {
        load_transposed::<S>(task.key, task.kind, (key_start, l), group * e, e, (keys_el, lp));
        load::<S>(task.value, task.kind, (key_start, l), group * e, e, (values_le, ep), 1.0);
        prefetch_next::<S>(task, place);
        for head in heads(task, group) {
            for first in (0..m).step_by(BLOCK) {
                let count = (m - first).min(BLOCK);
                let seen = place.seen(task, first + count - 1);
                let block = (start + first, count);
                load::<S>(task.query, task.kind, block, head * e, e, (queries, e), task.scale);
                let left = Left { data: queries, row: e, column: 1 };
                product::<S>([count, padded(seen), e], left, (keys_el, lp), (scores, lp), false);
                let mut inverse = [0.0; BLOCK];
                for (i, inverse) in inverse.iter_mut().enumerate().take(count) {
                    let limit = place.seen(task, first + i);
                    let line = scores.add(i * lp);
                    let (largest, sum) = softmax::<S>(line, limit, padded(seen));
                    if !task.log_sums.is_null() {
                        *task.log_sums.add((start + first + i) * task.heads + head) =
                            largest + sum.ln();
                    }
                    *inverse = 1.0 / sum;
                    if let Some(dropout) = Dropout::new(task.dropout, task.seed) {
                        drop_some::<S>(line, dropout.line([row, head, first + i]), padded(seen));
                    }
                }
                let left = Left { data: scores, row: lp, column: 1 };
                product::<S>([count, ep, seen], left, (values_le, ep), (mixed, ep), false);
                for (i, inverse) in inverse.into_iter().enumerate().take(count) {
                    let to = (start + first + i) * task.heads * e + head * e;
                    store::<S>(task.out, task.kind, to, e, mixed.add(i * ep), inverse);
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
    task: &AttentionProblem,
    number: usize,
    scratch: &mut Scratch,
) {
    let place = place(task, number);
    let Place { row, queries: (start, m), keys: (key_start, l), group } = place;
    #[cfg(target_arch = "x86_64")]
    if m >= ABREAST && pairs::takes(task) {
        // SAFETY: passed on.
        return unsafe { pairs::backward(task, place, scratch) };
    }
    let (e, lp, ep) = (task.width, padded(l), padded(task.width));
    let most = m.min(BLOCK);
    if e != ep {
        // What rows are padded with goes into sums.
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
        // All blocks and heads add to these.
        key_grads.write_bytes(0, l * ep);
        value_grads.write_bytes(0, l * ep);
        load_transposed::<S>(task.key, task.kind, (key_start, l), group * e, e, (keys_el, lp));
        load_transposed::<S>(task.value, task.kind, (key_start, l), group * e, e, (values_el, lp));
        load::<S>(task.key, task.kind, (key_start, l), group * e, e, (keys_le, ep), 1.0);
        let out = Source { data: task.out.cast_const(), stride: task.heads * e };
        for head in heads(task, group) {
            for first in (0..m).step_by(BLOCK) {
                let count = (m - first).min(BLOCK);
                let seen = place.seen(task, first + count - 1);
                let block = (start + first, count);
                load::<S>(task.query, task.kind, block, head * e, e, (queries, ep), task.scale);
                load::<S>(task.out_grad, task.kind, block, head * e, e, (grads, ep), 1.0);
                load::<S>(out, task.kind, block, head * e, e, (outs, ep), 1.0);
                let left = Left { data: queries, row: ep, column: 1 };
                product::<S>([count, padded(seen), e], left, (keys_el, lp), (scores, lp), false);
                let left = Left { data: grads, row: ep, column: 1 };
                product::<S>([count, padded(seen), e], left, (values_el, lp), (slopes, lp), false);
                for i in 0..count {
                    let limit = place.seen(task, first + i);
                    let (line, slope) = (scores.add(i * lp), slopes.add(i * lp));
                    let log_sum = *task.log_sums.add((start + first + i) * task.heads + head);
                    let mean = dot::<S>(grads.add(i * ep), outs.add(i * ep), ep);
                    probabilities::<S>(line, log_sum, limit, padded(seen));
                    // `slope` becomes the gradient of the scores, `line` what the values were mixed by.
                    let dropout = Dropout::new(task.dropout, task.seed)
                        .map(|dropout| dropout.line([row, head, first + i]));
                    score_gradient::<S>(line, slope, mean, padded(seen), dropout);
                }
                let left = Left { data: scores, row: 1, column: lp };
                product::<S>([seen, ep, count], left, (grads, ep), (value_grads, ep), true);
                let left = Left { data: slopes, row: 1, column: lp };
                product::<S>([seen, ep, count], left, (queries, ep), (key_grads, ep), true);
                // `outs` is not needed any more.
                let left = Left { data: slopes, row: lp, column: 1 };
                product::<S>([count, ep, seen], left, (keys_le, ep), (outs, ep), false);
                for i in 0..count {
                    let to = (start + first + i) * task.query_grad.stride + head * e;
                    store::<S>(
                        task.query_grad.data,
                        task.kind,
                        to,
                        e,
                        outs.add(i * ep),
                        task.scale,
                    );
                }
            }
        }
        for i in 0..l {
            let to = |target: Target| (key_start + i) * target.stride + group * e;
            let (keys, values) = (task.key_grad, task.value_grad);
            store::<S>(keys.data, task.kind, to(keys), e, key_grads.add(i * ep), 1.0);
            store::<S>(values.data, task.kind, to(values), e, value_grads.add(i * ep), 1.0);
        }
    }
}

/// `e^(x - largest)` of the first `limit` scores, zeros in the rest up to `end`; the largest, and the sum.
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
        // What stands for e^-infinity is tiny and not zero.
        for i in limit..end {
            *line.add(i) = 0.0;
        }
        (largest, S::sum(sum))
    }
}

/// `e^(x - log_sum)` of the first `limit` scores, zeros in the rest up to `end`.
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

/// Drops from a line of `end` numbers.
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

/// `slope = p (slope - mean)`: the gradient through the softmax, where `slope` comes from behind the dropout; `line`, p, then
/// goes through it.
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
