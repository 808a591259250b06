//! The backward pass of attention in bf16.

use std::arch::x86_64::*;

use super::dropout::Lines;
use super::lines::{join, pair, token, turn, write, zip};
use super::mix::over_keys;
use super::scores::{are_seen, mask_scores, with_tokens};
use super::tile::{Left, product};
use super::{LANES, NUMBERS};
use crate::attention::place::{Place, heads, prefetch_next};
use crate::attention::problem::{AttentionProblem, Source, Target};
use crate::attention::scratch::{BLOCK, Scratch, padded};
use crate::random::Dropout;
use crate::simd::{Avx512, MOST_LANES, Simd};

/// Writes the gradients of query, key and value for the task at `place`.
///
/// # Safety
/// As for [`kernel::backward`](crate::attention::kernel::backward); [`takes`](super::takes) must hold.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
pub(in crate::attention) unsafe fn backward(
    problem: &AttentionProblem,
    place: Place,
    scratch: &mut Scratch,
) {
    let Place { row, queries: (start, m), keys: (key_start, l), group } = place;
    let e = problem.width;
    // With several blocks or heads, the gradients of keys and values are sums, which are accumulated in fp32.
    let is_once = m.div_ceil(BLOCK) * heads(problem, group).len() == 1;
    let sums_len = if is_once { 0 } else { l * e };
    let half = BLOCK.div_ceil(2);
    let [
        key_pairs,
        turned,
        turned_grads,
        query_pairs,
        grad_pairs,
        scores,
        slopes,
        slope_pairs,
        key_sums,
        value_sums,
    ] = scratch.cut([
        l.div_ceil(2) * e,
        e / 2 * BLOCK,
        e / 2 * BLOCK,
        half * e,
        half * e,
        l * BLOCK,
        l * BLOCK,
        l.div_ceil(2) * BLOCK,
        sums_len,
        sums_len,
    ]);
    let [key_pairs, turned, turned_grads, query_pairs, grad_pairs, slope_pairs] =
        [key_pairs, turned, turned_grads, query_pairs, grad_pairs, slope_pairs]
            .map(|buffer| buffer.cast::<i32>());
    let out = Source { data: problem.out.cast_const(), stride: problem.heads * e };
    // SAFETY: every buffer has the size that its use below needs.
    unsafe {
        key_sums.write_bytes(0, sums_len);
        value_sums.write_bytes(0, sums_len);
        let [keys, values] =
            [problem.key, problem.value].map(|from| token(from, key_start, group * e));
        let [key_grads, value_grads] =
            [problem.key_grad, problem.value_grad].map(|to| target(to, key_start, group * e));
        pair(keys, l, e, key_pairs);
        prefetch_next::<Avx512>(problem, place);
        for head in heads(problem, group) {
            for first in (0..m).step_by(BLOCK) {
                let count = (m - first).min(BLOCK);
                let (seen, wide) = (place.seen(problem, first + count - 1), padded(count));
                let at = |from: Source| token(from, start + first, head * e);
                let (queries, grads) = (at(problem.query), at(problem.out_grad));
                turn(queries, count, e, (turned, wide));
                turn(grads, count, e, (turned_grads, wide));
                pair(queries, count, e, query_pairs);
                pair(grads, count, e, grad_pairs);
                with_tokens(keys, (turned, wide), [seen, e], (scores, problem.scale));
                with_tokens(values, (turned_grads, wide), [seen, e], (slopes, 1.0));
                mask_scores(problem, place, first..first + count, (scores, wide));
                for i in (0..wide).step_by(LANES) {
                    let rest = (count - i).min(LANES);
                    let mut log_sums = [0.0; LANES];
                    for (j, log_sum) in log_sums.iter_mut().enumerate().take(rest) {
                        *log_sum =
                            *problem.log_sums.add((start + first + i + j) * problem.heads + head);
                    }
                    let from = |(data, stride): (*const u16, usize)| (data.add(i * stride), stride);
                    let lanes = Lanes {
                        log_sum: _mm512_loadu_ps(log_sums.as_ptr()),
                        mean: means(from(grads), from(at(out)), rest, e),
                        lines: Dropout::new(problem.dropout, problem.seed)
                            .map(|dropout| Lines::new(dropout, [row, head, first + i], rest)),
                    };
                    through_softmax(lanes, [scores, slopes], slope_pairs, [i, wide, seen]);
                }
                let sizes = [seen, e, count.div_ceil(2)];
                let key_to = (key_grads, (!is_once).then_some(key_sums));
                let value_to = (value_grads, (!is_once).then_some(value_sums));
                over_queries((scores, wide), grad_pairs, sizes, value_to, 1.0);
                over_queries((slopes, wide), query_pairs, sizes, key_to, problem.scale);
                let to = target(problem.query_grad, start + first, head * e);
                let sizes = [count, seen, e];
                over_keys((slope_pairs, wide), key_pairs, sizes, to, |_| problem.scale);
            }
        }
        if !is_once {
            for (sums, (to, stride)) in [(key_sums, key_grads), (value_sums, value_grads)] {
                for key in 0..l {
                    for column in (0..e).step_by(NUMBERS) {
                        let from = sums.add(key * e + column);
                        let both = [_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(LANES))];
                        write(to.add(key * stride + column), &both, _mm512_set1_ps(1.0));
                    }
                }
            }
        }
    }
}

/// [`token`] for a target.
fn target(to: Target, token: usize, column: usize) -> (*mut u16, usize) {
    (to.data.cast::<u16>().wrapping_add(token * to.stride + column), to.stride)
}

/// The inner products of the output gradients and the outputs of up to sixteen queries, one in each lane.
///
/// # Safety
/// The numbers must be readable.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn means(
    (grads, grad_stride): (*const u16, usize),
    (outs, out_stride): (*const u16, usize),
    count: usize,
    e: usize,
) -> __m512 {
    let mut lines = [_mm512_setzero_ps(); MOST_LANES];
    // SAFETY: as promised; a vector has as many pairs as lanes.
    unsafe {
        for (i, line) in lines.iter_mut().enumerate().take(count) {
            for column in (0..e).step_by(NUMBERS) {
                let numbers = |from: *const u16| {
                    std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(from.cast()))
                };
                let grads = numbers(grads.add(i * grad_stride + column));
                *line = _mm512_dpbf16_ps(*line, grads, numbers(outs.add(i * out_stride + column)));
            }
        }
        Avx512::transpose(&mut lines);
    }
    let mut sum = lines[0];
    for line in &lines[1..] {
        sum = _mm512_add_ps(sum, *line);
    }
    sum
}

/// What the gradient of the softmax needs of sixteen queries.
#[derive(Clone, Copy)]
struct Lanes {
    log_sum: __m512,
    mean: __m512,
    lines: Option<Lines>,
}

/// The gradient through the softmax for the sixteen queries of vector `i`. From scores and gradients of
/// probabilities, `[l, wide]` each, computes the probabilities after dropout and the gradients of scores. Both are
/// written as bf16 numbers at the start of each row; the gradients also as pairs of keys.
///
/// # Safety
/// The numbers must be readable and the pairs writable. Vectors must be processed in order, as the results of one
/// overwrite the input of earlier ones.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
unsafe fn through_softmax(
    Lanes { log_sum, mean, lines }: Lanes,
    [scores, slopes]: [*mut f32; 2],
    slope_pairs: *mut i32,
    [i, wide, l]: [usize; 3],
) {
    // SAFETY: as promised.
    unsafe {
        let put = |rows: *mut f32, key: usize, x: __m512| {
            let half = _mm512_castsi512_si256(join(x, x));
            _mm256_storeu_si256(rows.add(key * wide).cast::<u16>().add(i).cast(), half);
        };
        let slope = |key: usize| {
            let x = _mm512_loadu_ps(scores.add(key * wide + i));
            let p = Avx512::exp(_mm512_sub_ps(x, log_sum));
            let p = _mm512_maskz_mov_ps(are_seen(x), p);
            let (mut kept, mut grad) = (p, _mm512_loadu_ps(slopes.add(key * wide + i)));
            if let Some(lines) = lines {
                let factors = lines.factors(key);
                (kept, grad) = (_mm512_mul_ps(p, factors), _mm512_mul_ps(grad, factors));
            }
            let slope = _mm512_mul_ps(p, _mm512_sub_ps(grad, mean));
            put(scores, key, kept);
            put(slopes, key, slope);
            slope
        };
        for key in (0..l).step_by(2) {
            let a = slope(key);
            let b = if key + 1 < l { slope(key + 1) } else { _mm512_setzero_ps() };
            _mm512_storeu_si512(slope_pairs.add(key / 2 * wide + i).cast(), zip(a, b));
        }
    }
}

/// Multiplies the transpose of `[l, wide]` rows, which begin with bf16 numbers, with pairs of queries. Writes the
/// results to tokens, or adds them to fp32 sums.
///
/// # Safety
/// The numbers must be readable and the results writable.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn over_queries(
    (rows, wide): (*const f32, usize),
    right: *const i32,
    [l, e, pairs]: [usize; 3],
    ((to, stride), added): ((*mut u16, usize), Option<*mut f32>),
    scale: f32,
) {
    let left = Left { data: rows.cast(), row: 4 * wide, pair: 4 };
    let scale = _mm512_set1_ps(scale);
    for column in (0..e).step_by(NUMBERS) {
        // SAFETY: as promised.
        unsafe {
            product(left, (right.add(column), e), [l, 2, pairs], |key, sums| match added {
                None => write(to.add(key * stride + column), sums, scale),
                Some(added) => {
                    for (i, sum) in sums.iter().enumerate() {
                        let to = added.add(key * e + column + i * LANES);
                        _mm512_storeu_ps(to, _mm512_fmadd_ps(*sum, scale, _mm512_loadu_ps(to)));
                    }
                }
            });
        }
    }
}
