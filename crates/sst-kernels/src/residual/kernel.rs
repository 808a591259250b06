//! One token at a time, in fp32 in buffers that stay in the cache.

use std::ffi::c_void;

use crate::number::{Kind, number, put_number};
use crate::random::{Dropout, LineDropout};
use crate::simd::Simd;

/// `SstResidual` of `cpp/residual.cc`, field by field. All matrices are `[t, d]` and contiguous; those of the
/// other pass, and those that are not wanted, are null.
#[repr(C)]
pub(crate) struct ResidualProblem {
    /// Null where the residual is normalised as it is.
    x: *const c_void,
    residual: *const c_void,
    /// `[d]`; null for dropout alone.
    weight: *const f32,
    /// Null for none.
    bias: *const f32,
    /// What is normalised, `dropout(x) + residual`; null where it is not kept.
    sum: *mut c_void,
    y: *mut c_void,
    /// Mean and reciprocal deviation of each token, `[t, 2]`; null where they are not kept.
    moments: *mut f32,
    y_grad: *const c_void,
    /// That of a second use of `y`; null for none.
    y_grad2: *const c_void,
    /// Of the sum, where that is a result too.
    sum_grad: *const c_void,
    x_grad: *mut c_void,
    residual_grad: *mut c_void,
    /// For each block of tokens its part of the gradients of weight and bias, `[blocks, 2, d]`.
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
    /// Of the residual and the sum.
    kind: Kind,
    y_kind: Kind,
    /// Not 0 for a mean of 0, as RMSNorm has.
    is_rms: i32,
}

/// Buffers of one token each.
pub(super) struct Scratch(Vec<f32>);

impl Scratch {
    pub(super) fn new(task: &ResidualProblem) -> Self {
        Self(vec![0.0; 2 * task.width])
    }

    #[inline(always)]
    fn lines(&mut self, width: usize) -> [&mut [f32]; 2] {
        let (a, b) = self.0.split_at_mut(width);
        [a, b]
    }
}

/// The tokens of a block.
fn tokens(task: &ResidualProblem, block: usize) -> std::ops::Range<usize> {
    let bound = |block: usize| task.tokens * block / task.blocks;
    bound(block)..bound(block + 1)
}

/// Writes `y`, and `sum` and `moments` where it normalises.
///
/// # Safety
/// The pointers of `task` must be valid for its sizes, no other thread may run the same block, and the processor must
/// have what `S` needs.
#[inline(always)]
pub(super) unsafe fn forward<S: Simd>(task: &ResidualProblem, block: usize, scratch: &mut Scratch) {
    let d = task.width;
    let dropout = Dropout::new(task.dropout, task.seed);
    let [line, _] = scratch.lines(d);
    for token in tokens(task, block) {
        let at = token * d;
        // SAFETY: `at` is the token's place in matrices of `tokens` rows.
        unsafe {
            let dropout = dropout.map(|dropout| dropout.line([token]));
            if task.weight.is_null() {
                drop_some::<S>([task.x, task.y.cast_const()], task.x_kind, at, d, dropout);
                continue;
            }
            let total = add::<S>(task, at, line, dropout);
            let mean = if task.is_rms != 0 { 0.0 } else { total / d as f32 };
            let scale = (variance::<S>(line, mean) + task.eps).sqrt().recip();
            if !task.moments.is_null() {
                *task.moments.add(2 * token) = mean;
                *task.moments.add(2 * token + 1) = scale;
            }
            normalise::<S>(task, at, line, [mean, scale]);
        }
    }
}

/// Writes a line of the second matrix, what dropout leaves of that of the first.
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

/// Writes what is normalised to `line` and, where there is an `x`, to the sum if it is kept; returns the sum of its numbers.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
unsafe fn add<S: Simd>(
    task: &ResidualProblem,
    at: usize,
    line: &mut [f32],
    dropout: Option<LineDropout>,
) -> f32 {
    let whole = line.len() - line.len() % S::LANES;
    // SAFETY: the caller promises the numbers.
    unsafe {
        let mut total = S::splat(0.0);
        for c in (0..whole).step_by(S::LANES) {
            let mut x = S::load_kind(task.residual, task.kind, at + c);
            if !task.x.is_null() {
                let mut more = S::load_kind(task.x, task.x_kind, at + c);
                if let Some(dropout) = dropout {
                    more = S::mul(more, S::dropout(dropout, c));
                }
                x = S::add(x, more);
                if !task.sum.is_null() {
                    S::store_kind(task.sum, task.kind, at + c, x);
                }
            }
            S::store(line.as_mut_ptr().add(c), x);
            total = S::add(total, x);
        }
        let mut total = S::sum(total);
        for (c, x) in line.iter_mut().enumerate().skip(whole) {
            *x = number(task.residual, task.kind, at + c);
            if !task.x.is_null() {
                let factor = dropout.map_or(1.0, |dropout| dropout.factor(c));
                *x += number(task.x, task.x_kind, at + c) * factor;
                if !task.sum.is_null() {
                    put_number(task.sum, task.kind, at + c, *x);
                }
            }
            total += *x;
        }
        total
    }
}

/// The mean square of what is left without the mean.
///
/// # Safety
/// The processor must have what `S` needs.
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

/// Writes the normalised line, times the weight and with the bias, to `y`.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
unsafe fn normalise<S: Simd>(
    task: &ResidualProblem,
    at: usize,
    line: &[f32],
    [mean, scale]: [f32; 2],
) {
    let whole = line.len() - line.len() % S::LANES;
    // SAFETY: the caller promises the numbers.
    unsafe {
        for c in (0..whole).step_by(S::LANES) {
            let x = S::add(S::load(line.as_ptr().add(c)), S::splat(-mean));
            let weight = S::mul(S::load(task.weight.add(c)), S::splat(scale));
            let y = match task.bias.is_null() {
                true => S::mul(x, weight),
                false => S::fma(x, weight, S::load(task.bias.add(c))),
            };
            S::store_kind(task.y, task.y_kind, at + c, y);
        }
        for (c, x) in line.iter().enumerate().skip(whole) {
            let bias = if task.bias.is_null() { 0.0 } else { *task.bias.add(c) };
            let y = (x - mean) * scale * *task.weight.add(c) + bias;
            put_number(task.y, task.y_kind, at + c, y);
        }
    }
}

/// Writes the gradients.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
pub(super) unsafe fn backward<S: Simd>(
    task: &ResidualProblem,
    block: usize,
    scratch: &mut Scratch,
) {
    let d = task.width;
    let dropout = Dropout::new(task.dropout, task.seed);
    let [normal, weighted] = scratch.lines(d);
    let param_sums = task.param_sums.wrapping_add(2 * d * block);
    if !task.weight.is_null() {
        // SAFETY: the block's own part of the sums.
        unsafe { param_sums.write_bytes(0, 2 * d) };
    }
    for token in tokens(task, block) {
        let at = token * d;
        // SAFETY: `at` is the token's place in matrices of `tokens` rows.
        unsafe {
            let dropout = dropout.map(|dropout| dropout.line([token]));
            if task.weight.is_null() {
                drop_some::<S>(
                    [task.y_grad, task.x_grad.cast_const()],
                    task.x_kind,
                    at,
                    d,
                    dropout,
                );
                continue;
            }
            let moments = [*task.moments.add(2 * token), *task.moments.add(2 * token + 1)];
            let sums = weigh::<S>(task, at, moments, [normal, weighted], param_sums);
            let [mean_grad, mean_product] = sums.map(|sum| sum / d as f32);
            let mean_grad = if task.is_rms != 0 { 0.0 } else { mean_grad };
            let through = Through { mean_grad, mean_product, scale: moments[1], dropout };
            write_grads::<S>(task, at, [normal, weighted], through);
        }
    }
}

/// Writes the normalised token and the gradient times the weight, and adds to the gradients of weight and bias, `[2, d]`;
/// returns the sum of the second, and of the product of both.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
unsafe fn weigh<S: Simd>(
    task: &ResidualProblem,
    at: usize,
    [mean, scale]: [f32; 2],
    [normal, weighted]: [&mut [f32]; 2],
    param_sums: *mut f32,
) -> [f32; 2] {
    let d = task.width;
    let whole = d - d % S::LANES;
    let (weight_grad, bias_grad) = (param_sums, param_sums.wrapping_add(d));
    // SAFETY: the caller promises the numbers.
    unsafe {
        let mut sums = [S::splat(0.0); 2];
        for c in (0..whole).step_by(S::LANES) {
            let mut grad = S::load_kind(task.y_grad, task.y_kind, at + c);
            if !task.y_grad2.is_null() {
                grad = S::add(grad, S::load_kind(task.y_grad2, task.y_kind, at + c));
            }
            let x = S::add(S::load_kind(task.sum, task.kind, at + c), S::splat(-mean));
            let x = S::mul(x, S::splat(scale));
            S::store(weight_grad.add(c), S::fma(grad, x, S::load(weight_grad.add(c))));
            S::store(bias_grad.add(c), S::add(S::load(bias_grad.add(c)), grad));
            let grad = S::mul(grad, S::load(task.weight.add(c)));
            S::store(normal.as_mut_ptr().add(c), x);
            S::store(weighted.as_mut_ptr().add(c), grad);
            sums = [S::add(sums[0], grad), S::fma(grad, x, sums[1])];
        }
        let mut sums = [S::sum(sums[0]), S::sum(sums[1])];
        for c in whole..d {
            let mut grad = number(task.y_grad, task.y_kind, at + c);
            if !task.y_grad2.is_null() {
                grad += number(task.y_grad2, task.y_kind, at + c);
            }
            let x = (number(task.sum, task.kind, at + c) - mean) * scale;
            *weight_grad.add(c) += grad * x;
            *bias_grad.add(c) += grad;
            let grad = grad * *task.weight.add(c);
            (normal[c], weighted[c]) = (x, grad);
            sums = [sums[0] + grad, sums[1] + grad * x];
        }
        sums
    }
}

/// What the gradient of a token goes through.
#[derive(Clone, Copy)]
struct Through {
    /// Of the gradient times the weight, and of this times the normalised token.
    mean_grad: f32,
    mean_product: f32,
    scale: f32,
    dropout: Option<LineDropout>,
}

/// Writes the gradients of the residual and, if there was one, of `x`.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
unsafe fn write_grads<S: Simd>(
    task: &ResidualProblem,
    at: usize,
    [normal, weighted]: [&[f32]; 2],
    Through { mean_grad, mean_product, scale, dropout }: Through,
) {
    let d = task.width;
    let whole = d - d % S::LANES;
    // SAFETY: the caller promises the numbers.
    unsafe {
        for c in (0..whole).step_by(S::LANES) {
            let (x, grad) = (S::load(normal.as_ptr().add(c)), S::load(weighted.as_ptr().add(c)));
            let grad = S::fma(x, S::splat(-mean_product), S::add(grad, S::splat(-mean_grad)));
            let mut grad = S::mul(grad, S::splat(scale));
            if !task.sum_grad.is_null() {
                grad = S::add(grad, S::load_kind(task.sum_grad, task.kind, at + c));
            }
            S::store_kind(task.residual_grad, task.kind, at + c, grad);
            if !task.x_grad.is_null() {
                if let Some(dropout) = dropout {
                    grad = S::mul(grad, S::dropout(dropout, c));
                }
                S::store_kind(task.x_grad, task.x_kind, at + c, grad);
            }
        }
        for c in whole..d {
            let mut grad = (weighted[c] - mean_grad - normal[c] * mean_product) * scale;
            if !task.sum_grad.is_null() {
                grad += number(task.sum_grad, task.kind, at + c);
            }
            put_number(task.residual_grad, task.kind, at + c, grad);
            if !task.x_grad.is_null() {
                let factor = dropout.map_or(1.0, |dropout| dropout.factor(c));
                put_number(task.x_grad, task.x_kind, at + c, grad * factor);
            }
        }
    }
}

/// Adds up the parts of the gradients of weight and bias, in the order of the blocks.
///
/// # Safety
/// The pointers of `task` must be valid for its sizes, and no other thread may run it.
#[inline(always)]
pub(super) unsafe fn params(task: &ResidualProblem) {
    let d = task.width;
    // SAFETY: as promised.
    unsafe {
        for (to, from) in
            [(task.weight_grad, task.param_sums), (task.bias_grad, task.param_sums.add(d))]
        {
            let to = std::slice::from_raw_parts_mut(to, d);
            to.fill(0.0);
            for block in 0..task.blocks {
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
