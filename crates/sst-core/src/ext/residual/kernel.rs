//! One token at a time, in fp32 in buffers that stay in the cache.

use std::ffi::c_void;

use crate::ext::number::{Kind, load_line, number, put_number, store_line};
use crate::ext::random::Dropout;
use crate::ext::simd::Simd;

/// `SstResidual` of `cpp/residual.cc`, field by field. All matrices are `[t, d]` and contiguous; those of the
/// other pass, and those that are not wanted, are null.
#[repr(C)]
pub(in crate::ext) struct Task {
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
    /// Of the sum, where that is a result too.
    sum_grad: *const c_void,
    x_grad: *mut c_void,
    residual_grad: *mut c_void,
    /// For each block of tokens the gradients of weight and bias, `[blocks, 2, d]`.
    param_grads: *mut f32,
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

/// The sum of `n` numbers that `f` makes of their places: sixteen sums side by side, then these.
#[inline(always)]
fn sum(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    let whole = n - n % LANES;
    for at in (0..whole).step_by(LANES) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += f(at + lane);
        }
    }
    sums.iter().sum::<f32>() + (whole..n).map(f).sum::<f32>()
}

/// Buffers of one token each.
pub(super) struct Scratch(Vec<f32>);

impl Scratch {
    pub(super) fn new(task: &Task) -> Self {
        Self(vec![0.0; 3 * task.width])
    }

    #[inline(always)]
    fn lines(&mut self, width: usize) -> [&mut [f32]; 3] {
        let (a, rest) = self.0.split_at_mut(width);
        let (b, c) = rest.split_at_mut(width);
        [a, b, c]
    }
}

/// The tokens of a block.
fn tokens(task: &Task, block: usize) -> std::ops::Range<usize> {
    let bound = |block: usize| task.tokens * block / task.blocks;
    bound(block)..bound(block + 1)
}

/// Writes `y`, and `sum` and `moments` where it normalises.
///
/// # Safety
/// The pointers of `task` must be valid for its sizes, no other thread may run the same block, and the processor must
/// have what `S` needs.
#[inline(always)]
pub(super) unsafe fn forward<S: Simd>(task: &Task, block: usize, scratch: &mut Scratch) {
    let d = task.width;
    let dropout = Dropout::new(task.dropout, task.seed);
    let [line, dropped, _] = scratch.lines(d);
    for token in tokens(task, block) {
        let at = token * d;
        // SAFETY: `at` is the token's place in matrices of `tokens` rows.
        unsafe {
            let is_alone = task.weight.is_null();
            let is_dropped = !task.x.is_null() && (dropout.is_some() || is_alone);
            if is_dropped {
                load_line(task.x, task.x_kind, at, dropped);
                if let Some(dropout) = dropout {
                    dropout.apply(dropped, [token]);
                }
            }
            if is_alone {
                store_line(task.y, task.x_kind, at, dropped);
                continue;
            }
            let total = add::<S>(task, at, line, is_dropped.then_some(&*dropped));
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

/// Writes `x + residual` to `line` and, where there is an `x`, to the sum if it is kept; returns the sum of its numbers. `dropped`
/// stands for `x` if it is there.
///
/// # Safety
/// As for [`forward`].
#[inline(always)]
unsafe fn add<S: Simd>(task: &Task, at: usize, line: &mut [f32], dropped: Option<&[f32]>) -> f32 {
    let whole = line.len() - line.len() % S::LANES;
    // SAFETY: the caller promises the numbers.
    unsafe {
        let mut total = S::splat(0.0);
        for c in (0..whole).step_by(S::LANES) {
            let mut x = S::load_kind(task.residual, task.kind, at + c);
            if !task.x.is_null() {
                let more = match dropped {
                    Some(dropped) => S::load(dropped.as_ptr().add(c)),
                    None => S::load_kind(task.x, task.x_kind, at + c),
                };
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
                *x += match dropped {
                    Some(dropped) => dropped[c],
                    None => number(task.x, task.x_kind, at + c),
                };
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
unsafe fn normalise<S: Simd>(task: &Task, at: usize, line: &[f32], [mean, scale]: [f32; 2]) {
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
pub(super) unsafe fn backward(task: &Task, block: usize, scratch: &mut Scratch) {
    let d = task.width;
    let dropout = Dropout::new(task.dropout, task.seed);
    let [grad, normal, weighted] = scratch.lines(d);
    for token in tokens(task, block) {
        let at = token * d;
        // SAFETY: `at` is the token's place in matrices of `tokens` rows.
        unsafe {
            if task.weight.is_null() {
                load_line(task.y_grad, task.x_kind, at, grad);
            } else {
                load_line(task.y_grad, task.y_kind, at, grad);
                load_line(task.sum, task.kind, at, normal);
                let (mean, scale) =
                    (*task.moments.add(2 * token), *task.moments.add(2 * token + 1));
                for normal in normal.iter_mut() {
                    *normal = (*normal - mean) * scale;
                }
                let param_grads = task.param_grads.add(2 * d * block);
                let weight_grad = std::slice::from_raw_parts_mut(param_grads, d);
                let bias_grad = std::slice::from_raw_parts_mut(param_grads.add(d), d);
                for i in 0..d {
                    weight_grad[i] += grad[i] * normal[i];
                    bias_grad[i] += grad[i];
                }
                let weight = std::slice::from_raw_parts(task.weight, d);
                for i in 0..d {
                    weighted[i] = grad[i] * weight[i];
                }
                let mean_grad =
                    if task.is_rms != 0 { 0.0 } else { sum(d, |i| weighted[i]) / d as f32 };
                let mean_product = sum(d, |i| weighted[i] * normal[i]) / d as f32;
                for i in 0..d {
                    grad[i] = (weighted[i] - mean_grad - normal[i] * mean_product) * scale;
                }
                if !task.sum_grad.is_null() {
                    load_line(task.sum_grad, task.kind, at, weighted);
                    for (grad, more) in grad.iter_mut().zip(&*weighted) {
                        *grad += more;
                    }
                }
                store_line(task.residual_grad, task.kind, at, grad);
                if task.x_grad.is_null() {
                    continue;
                }
            }
            if let Some(dropout) = dropout {
                dropout.apply(grad, [token]);
            }
            store_line(task.x_grad, task.x_kind, at, grad);
        }
    }
}

impl Task {
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }
}
