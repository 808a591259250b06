//! Dropout, residual connection and norm of one token at a time, in fp32, in buffers that stay in the cache.

use std::ffi::c_void;

use crate::number::{Kind, number, put_number};
use crate::random::{Dropout, LineDropout};
use crate::simd::Simd;

/// The struct `SstResidual` of `cpp/residual.cc`, with the same fields. All matrices are `[t, d]` and contiguous.
/// Those of the other pass, and those that are not wanted, are null.
#[repr(C)]
pub(crate) struct ResidualProblem {
    /// Null if only the residual is normalised.
    x: *const c_void,
    residual: *const c_void,
    /// The weight `[d]` of the norm; null for dropout alone.
    weight: *const f32,
    /// The bias `[d]` of the norm; null for RMSNorm.
    bias: *const f32,
    /// The input of the norm, `dropout(x) + residual`; null if it is not saved.
    sum: *mut c_void,
    y: *mut c_void,
    /// The mean and the reciprocal standard deviation of each token, `[t, 2]`; null if they are not saved.
    moments: *mut f32,
    y_grad: *const c_void,
    /// The gradient of the second use of `y`; null for none.
    y_grad2: *const c_void,
    /// The gradient of the sum, if that is a result too.
    sum_grad: *const c_void,
    x_grad: *mut c_void,
    residual_grad: *mut c_void,
    /// Each block's part of the gradients of weight and bias, `[blocks, 2, d]`.
    param_sums: *mut f32,
    /// `[d]`.
    weight_grad: *mut f32,
    bias_grad: *mut f32,
    tokens: usize,
    width: usize,
    blocks: usize,
    seed: u64,
    dropout: f32,
    eps: f32,
    x_kind: Kind,
    /// The type of the residual and the sum.
    kind: Kind,
    y_kind: Kind,
    /// 1 for RMSNorm, which takes the mean as 0.
    is_rms: i32,
}

/// The buffers for one token.
pub(super) struct Scratch(Vec<f32>);

impl Scratch {
    pub(super) fn new(problem: &ResidualProblem) -> Self {
        Self(vec![0.0; 2 * problem.width])
    }

    #[inline(always)]
    fn lines(&mut self, width: usize) -> [&mut [f32]; 2] {
        let (a, b) = self.0.split_at_mut(width);
        [a, b]
    }
}

/// The tokens of a block.
fn tokens(problem: &ResidualProblem, block: usize) -> std::ops::Range<usize> {
    let bound = |block: usize| problem.tokens * block / problem.blocks;
    bound(block)..bound(block + 1)
}

/// Writes `y`; and `sum` and `moments`, if there is a norm.
///
/// # Safety
/// The pointers of `problem` must be valid for its sizes, no other thread may run the same block, and the processor must
/// have the features that `S` needs.
#[inline(always)]
pub(super) unsafe fn forward<S: Simd>(
    problem: &ResidualProblem,
    block: usize,
    scratch: &mut Scratch,
) {
    let d = problem.width;
    let dropout = Dropout::new(problem.dropout, problem.seed);
    let [line, _] = scratch.lines(d);
    for token in tokens(problem, block) {
        let at = token * d;
        // SAFETY: `at` is the token's place in matrices of `tokens` rows.
        unsafe {
            let dropout = dropout.map(|dropout| dropout.line([token]));
            if problem.weight.is_null() {
                drop_some::<S>([problem.x, problem.y.cast_const()], problem.x_kind, at, d, dropout);
                continue;
            }
            let total = add::<S>(problem, at, line, dropout);
            let mean = if problem.is_rms != 0 { 0.0 } else { total / d as f32 };
            let scale = (variance::<S>(line, mean) + problem.eps).sqrt().recip();
            if !problem.moments.is_null() {
                *problem.moments.add(2 * token) = mean;
                *problem.moments.add(2 * token + 1) = scale;
            }
            normalise::<S>(problem, at, line, [mean, scale]);
        }
    }
}

/// Applies dropout to a line of the first matrix and writes it to the second.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
unsafe fn drop_some<S: Simd>(
    [from, to]: [*const c_void; 2],
    kind: Kind,
    at: usize,
    width: usize,
    dropout: Option<LineDropout>,
) {
    let whole = width - width % S::LANES;
    let to = to.cast_mut();
    // SAFETY: the caller promises the numbers.
    unsafe {
        for c in (0..whole).step_by(S::LANES) {
            let mut x = S::load_kind(from, kind, at + c);
            if let Some(dropout) = dropout {
                x = S::mul(x, S::dropout(dropout, c));
            }
            S::store_kind(to, kind, at + c, x);
        }
        for c in whole..width {
            let factor = dropout.map_or(1.0, |dropout| dropout.factor(c));
            put_number(to, kind, at + c, number(from, kind, at + c) * factor);
        }
    }
}

/// Writes the input of the norm to `line` and, if there is an `x` and the sum is saved, to the sum. Returns the sum
/// of its numbers.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
unsafe fn add<S: Simd>(
    problem: &ResidualProblem,
    at: usize,
    line: &mut [f32],
    dropout: Option<LineDropout>,
) -> f32 {
    let whole = line.len() - line.len() % S::LANES;
    // SAFETY: the caller promises the numbers.
    unsafe {
        let mut total = S::splat(0.0);
        for c in (0..whole).step_by(S::LANES) {
            let mut x = S::load_kind(problem.residual, problem.kind, at + c);
            if !problem.x.is_null() {
                let mut more = S::load_kind(problem.x, problem.x_kind, at + c);
                if let Some(dropout) = dropout {
                    more = S::mul(more, S::dropout(dropout, c));
                }
                x = S::add(x, more);
                if !problem.sum.is_null() {
                    S::store_kind(problem.sum, problem.kind, at + c, x);
                }
            }
            S::store(line.as_mut_ptr().add(c), x);
            total = S::add(total, x);
        }
        let mut total = S::sum(total);
        for (c, x) in line.iter_mut().enumerate().skip(whole) {
            *x = number(problem.residual, problem.kind, at + c);
            if !problem.x.is_null() {
                let factor = dropout.map_or(1.0, |dropout| dropout.factor(c));
                *x += number(problem.x, problem.x_kind, at + c) * factor;
                if !problem.sum.is_null() {
                    put_number(problem.sum, problem.kind, at + c, *x);
                }
            }
            total += *x;
        }
        total
    }
}

/// The variance of a line with this mean.
///
/// # Safety
/// The processor must have the features that `S` needs.
#[inline(always)]
unsafe fn variance<S: Simd>(line: &[f32], mean: f32) -> f32 {
    let whole = line.len() - line.len() % S::LANES;
    // SAFETY: as promised.
    let mut total = unsafe {
        let mut total = S::splat(0.0);
        for c in (0..whole).step_by(S::LANES) {
            let x = S::add(S::load(line.as_ptr().add(c)), S::splat(-mean));
            total = S::fma(x, x, total);
        }
        S::sum(total)
    };
    for x in &line[whole..] {
        total += (x - mean) * (x - mean);
    }
    total / line.len() as f32
}

/// Writes the normalised line, multiplied by the weight and with the bias added, to `y`.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
unsafe fn normalise<S: Simd>(
    problem: &ResidualProblem,
    at: usize,
    line: &[f32],
    [mean, scale]: [f32; 2],
) {
    let whole = line.len() - line.len() % S::LANES;
    // SAFETY: the caller promises the numbers.
    unsafe {
        for c in (0..whole).step_by(S::LANES) {
            let x = S::add(S::load(line.as_ptr().add(c)), S::splat(-mean));
            let weight = S::mul(S::load(problem.weight.add(c)), S::splat(scale));
            let y = match problem.bias.is_null() {
                true => S::mul(x, weight),
                false => S::fma(x, weight, S::load(problem.bias.add(c))),
            };
            S::store_kind(problem.y, problem.y_kind, at + c, y);
        }
        for (c, x) in line.iter().enumerate().skip(whole) {
            let bias = if problem.bias.is_null() { 0.0 } else { *problem.bias.add(c) };
            let y = (x - mean) * scale * *problem.weight.add(c) + bias;
            put_number(problem.y, problem.y_kind, at + c, y);
        }
    }
}

/// Writes the gradients.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
pub(super) unsafe fn backward<S: Simd>(
    problem: &ResidualProblem,
    block: usize,
    scratch: &mut Scratch,
) {
    let d = problem.width;
    let dropout = Dropout::new(problem.dropout, problem.seed);
    let [normal, weighted] = scratch.lines(d);
    let param_sums = problem.param_sums.wrapping_add(2 * d * block);
    if !problem.weight.is_null() {
        // SAFETY: the block's own part of the sums.
        unsafe { param_sums.write_bytes(0, 2 * d) };
    }
    for token in tokens(problem, block) {
        let at = token * d;
        // SAFETY: `at` is the token's place in matrices of `tokens` rows.
        unsafe {
            let dropout = dropout.map(|dropout| dropout.line([token]));
            if problem.weight.is_null() {
                drop_some::<S>(
                    [problem.y_grad, problem.x_grad.cast_const()],
                    problem.x_kind,
                    at,
                    d,
                    dropout,
                );
                continue;
            }
            let moments = [*problem.moments.add(2 * token), *problem.moments.add(2 * token + 1)];
            let sums = weigh::<S>(problem, at, moments, [normal, weighted], param_sums);
            let [mean_grad, mean_product] = sums.map(|sum| sum / d as f32);
            let mean_grad = if problem.is_rms != 0 { 0.0 } else { mean_grad };
            let through = Through { mean_grad, mean_product, scale: moments[1], dropout };
            write_grads::<S>(problem, at, [normal, weighted], through);
        }
    }
}

/// Writes the normalised token and the gradient multiplied by the weight. Adds to the gradients of weight and bias,
/// `[2, d]`. Returns the sum of the weighted gradient, and the inner product of it with the normalised token.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
unsafe fn weigh<S: Simd>(
    problem: &ResidualProblem,
    at: usize,
    [mean, scale]: [f32; 2],
    [normal, weighted]: [&mut [f32]; 2],
    param_sums: *mut f32,
) -> [f32; 2] {
    let d = problem.width;
    let whole = d - d % S::LANES;
    let (weight_grad, bias_grad) = (param_sums, param_sums.wrapping_add(d));
    // SAFETY: the caller promises the numbers.
    unsafe {
        let mut sums = [S::splat(0.0); 2];
        for c in (0..whole).step_by(S::LANES) {
            let mut grad = S::load_kind(problem.y_grad, problem.y_kind, at + c);
            if !problem.y_grad2.is_null() {
                grad = S::add(grad, S::load_kind(problem.y_grad2, problem.y_kind, at + c));
            }
            let x = S::add(S::load_kind(problem.sum, problem.kind, at + c), S::splat(-mean));
            let x = S::mul(x, S::splat(scale));
            S::store(weight_grad.add(c), S::fma(grad, x, S::load(weight_grad.add(c))));
            S::store(bias_grad.add(c), S::add(S::load(bias_grad.add(c)), grad));
            let grad = S::mul(grad, S::load(problem.weight.add(c)));
            S::store(normal.as_mut_ptr().add(c), x);
            S::store(weighted.as_mut_ptr().add(c), grad);
            sums = [S::add(sums[0], grad), S::fma(grad, x, sums[1])];
        }
        let mut sums = [S::sum(sums[0]), S::sum(sums[1])];
        for c in whole..d {
            let mut grad = number(problem.y_grad, problem.y_kind, at + c);
            if !problem.y_grad2.is_null() {
                grad += number(problem.y_grad2, problem.y_kind, at + c);
            }
            let x = (number(problem.sum, problem.kind, at + c) - mean) * scale;
            *weight_grad.add(c) += grad * x;
            *bias_grad.add(c) += grad;
            let grad = grad * *problem.weight.add(c);
            (normal[c], weighted[c]) = (x, grad);
            sums = [sums[0] + grad, sums[1] + grad * x];
        }
        sums
    }
}

/// The statistics of a token that its gradient needs.
#[derive(Clone, Copy)]
struct Through {
    /// The mean of the weighted gradient, and the mean of its product with the normalised token.
    mean_grad: f32,
    mean_product: f32,
    scale: f32,
    dropout: Option<LineDropout>,
}

/// Writes the gradients of the residual and, if there is one, of `x`.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
unsafe fn write_grads<S: Simd>(
    problem: &ResidualProblem,
    at: usize,
    [normal, weighted]: [&[f32]; 2],
    Through { mean_grad, mean_product, scale, dropout }: Through,
) {
    let d = problem.width;
    let whole = d - d % S::LANES;
    // SAFETY: the caller promises the numbers.
    unsafe {
        for c in (0..whole).step_by(S::LANES) {
            let (x, grad) = (S::load(normal.as_ptr().add(c)), S::load(weighted.as_ptr().add(c)));
            let grad = S::fma(x, S::splat(-mean_product), S::add(grad, S::splat(-mean_grad)));
            let mut grad = S::mul(grad, S::splat(scale));
            if !problem.sum_grad.is_null() {
                grad = S::add(grad, S::load_kind(problem.sum_grad, problem.kind, at + c));
            }
            S::store_kind(problem.residual_grad, problem.kind, at + c, grad);
            if !problem.x_grad.is_null() {
                if let Some(dropout) = dropout {
                    grad = S::mul(grad, S::dropout(dropout, c));
                }
                S::store_kind(problem.x_grad, problem.x_kind, at + c, grad);
            }
        }
        for c in whole..d {
            let mut grad = (weighted[c] - mean_grad - normal[c] * mean_product) * scale;
            if !problem.sum_grad.is_null() {
                grad += number(problem.sum_grad, problem.kind, at + c);
            }
            put_number(problem.residual_grad, problem.kind, at + c, grad);
            if !problem.x_grad.is_null() {
                let factor = dropout.map_or(1.0, |dropout| dropout.factor(c));
                put_number(problem.x_grad, problem.x_kind, at + c, grad * factor);
            }
        }
    }
}

/// Adds up the blocks' parts of the gradients of weight and bias, in order.
///
/// # Safety
/// The pointers of `problem` must be valid for its sizes, and no other thread may run it.
#[inline(always)]
pub(super) unsafe fn params(problem: &ResidualProblem) {
    let d = problem.width;
    // SAFETY: as promised.
    unsafe {
        for (to, from) in [
            (problem.weight_grad, problem.param_sums),
            (problem.bias_grad, problem.param_sums.add(d)),
        ] {
            let to = std::slice::from_raw_parts_mut(to, d);
            to.fill(0.0);
            for block in 0..problem.blocks {
                let from = std::slice::from_raw_parts(from.add(2 * d * block), d);
                for (to, from) in to.iter_mut().zip(from) {
                    *to += from;
                }
            }
        }
    }
}

impl ResidualProblem {
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }
}
