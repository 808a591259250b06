//! One token at a time, in fp32 in buffers that stay in the cache.

use std::ffi::c_void;

use crate::ext::number::{Kind, load_line, store_line};
use crate::ext::random::Dropout;

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
    /// What is normalised, `dropout(x) + residual`.
    sum: *mut c_void,
    y: *mut c_void,
    /// Mean and reciprocal deviation of each token, `[t, 2]`.
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
/// The pointers of `task` must be valid for its sizes, and no other thread may run the same block.
#[inline(always)]
pub(super) unsafe fn forward(task: &Task, block: usize, scratch: &mut Scratch) {
    let d = task.width;
    let dropout = Dropout::new(task.dropout, task.seed);
    let [x, residual, _] = scratch.lines(d);
    for token in tokens(task, block) {
        let at = token * d;
        // SAFETY: `at` is the token's place in matrices of `tokens` rows.
        unsafe {
            if task.x.is_null() {
                load_line(task.residual, task.kind, at, x);
            } else {
                load_line(task.x, task.x_kind, at, x);
                if let Some(dropout) = dropout {
                    dropout.apply(x, [token]);
                }
                if task.weight.is_null() {
                    store_line(task.y, task.x_kind, at, x);
                    continue;
                }
                load_line(task.residual, task.kind, at, residual);
                for (x, residual) in x.iter_mut().zip(&*residual) {
                    *x += residual;
                }
                store_line(task.sum, task.kind, at, x);
            }
            let mean = if task.is_rms != 0 { 0.0 } else { sum(d, |i| x[i]) / d as f32 };
            let variance = sum(d, |i| (x[i] - mean) * (x[i] - mean)) / d as f32;
            let scale = (variance + task.eps).sqrt().recip();
            *task.moments.add(2 * token) = mean;
            *task.moments.add(2 * token + 1) = scale;
            let weight = std::slice::from_raw_parts(task.weight, d);
            for (x, weight) in x.iter_mut().zip(weight) {
                *x = (*x - mean) * scale * weight;
            }
            if !task.bias.is_null() {
                let bias = std::slice::from_raw_parts(task.bias, d);
                for (x, bias) in x.iter_mut().zip(bias) {
                    *x += bias;
                }
            }
            store_line(task.y, task.y_kind, at, x);
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
