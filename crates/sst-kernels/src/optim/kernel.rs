//! AdamW and the norm of gradients on the CPU, each in one pass over memory.

use std::ffi::c_void;
use std::ops::Range;

use super::AdamW;
use super::remainder::{join, split};
use crate::cpu::CpuLevel;
use crate::error::Result;
use crate::number::{Body, Kind, load_line, store_line};
use crate::parallel::parallel;

/// The number of elements that a thread takes at a time. Sums are computed for each chunk, so that they do not depend
/// on the number of threads.
const CHUNK: usize = 1 << 16;
/// The number of elements that are converted to fp32 at a time, in a buffer that stays in the cache.
const LINE: usize = 512;

/// The elements of one gradient.
#[derive(Clone, Copy)]
pub(super) struct Grad {
    pub(super) data: *const c_void,
    pub(super) kind: Kind,
    pub(super) count: usize,
}

// SAFETY: only read, by threads that end before the tensor is freed.
unsafe impl Sync for Grad {}

/// A parameter with its moments, and its bf16 copy or null, all with as many elements as the gradient. With a
/// remainder, the copy and the remainder are the parameter, and `param` is not used.
pub(super) struct Slot {
    pub(super) grad: Grad,
    pub(super) param: *mut f32,
    pub(super) exp_avg: *mut f32,
    pub(super) exp_avg_sq: *mut f32,
    pub(super) copy: *mut c_void,
    pub(super) remainder: *mut i16,
    /// The number of updates, this one included.
    pub(super) step: f32,
}

// SAFETY: each chunk is written by one thread.
unsafe impl Sync for Slot {}

/// Divides tensors of these sizes into chunks: the index of the tensor, and the range of its elements.
fn chunks(counts: impl Iterator<Item = usize>) -> Vec<(usize, Range<usize>)> {
    let chunks_of = |(i, count): (usize, usize)| {
        (0..count).step_by(CHUNK).map(move |start| (i, start..count.min(start + CHUNK)))
    };
    counts.enumerate().flat_map(chunks_of).collect()
}

/// Updates all slots; gradients are divided by `grad_scale` first.
///
/// # Safety
/// The pointers of the slots must be valid, and no two may overlap.
pub(super) unsafe fn update(slots: &[Slot], options: AdamW, grad_scale: f32) -> Result<()> {
    let chunks = chunks(slots.iter().map(|slot| slot.grad.count));
    let level = CpuLevel::current();
    parallel(c"sst::adamw", chunks.len(), |i| {
        let (slot, range) = &chunks[i];
        level.run(Update { slot: &slots[*slot], range: range.clone(), options, grad_scale });
    })
}

struct Update<'a> {
    slot: &'a Slot,
    range: Range<usize>,
    options: AdamW,
    grad_scale: f32,
}

impl Body for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { slot, range, options, grad_scale } = self;
        let (beta1, beta2) = options.betas;
        let correction = |beta: f64| 1.0 - beta.powf(f64::from(slot.step));
        // Numerator and denominator of the update are both multiplied by the root of the second bias correction,
        // which saves a division for each element. A division takes as long as ten additions.
        let root = correction(beta2).sqrt();
        let rate = (options.lr / correction(beta1) * root) as f32;
        let decay = (1.0 - options.lr * options.weight_decay) as f32;
        let (rest1, rest2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
        let (beta2, eps) = (beta2 as f32, (options.eps * root) as f32);
        let unscale = 1.0 / grad_scale;
        let (mut grads, mut params) = ([0.0_f32; LINE], [0.0_f32; LINE]);
        for start in range.clone().step_by(LINE) {
            let n = LINE.min(range.end - start);
            let (grads, params) = (&mut grads[..n], &mut params[..n]);
            // SAFETY: `start + n` is within the slot, which this thread alone writes here.
            unsafe {
                load_line(slot.grad.data, slot.grad.kind, start, grads);
                slot.load(start, params);
                let exp_avg = std::slice::from_raw_parts_mut(slot.exp_avg.add(start), n);
                let exp_avg_sq = std::slice::from_raw_parts_mut(slot.exp_avg_sq.add(start), n);
                let moments = exp_avg.iter_mut().zip(exp_avg_sq);
                for ((x, param), (m, v)) in grads.iter().zip(&mut *params).zip(moments) {
                    let grad = *x * unscale;
                    *m += rest1 * (grad - *m);
                    *v = beta2 * *v + rest2 * grad * grad;
                    *param = *param * decay - rate * *m / (v.sqrt() + eps);
                }
                slot.store(start, params);
            }
        }
    }
}

impl Slot {
    /// Loads elements of the parameter from index `at` on.
    ///
    /// # Safety
    /// There must be `line.len()` elements.
    #[inline(always)]
    unsafe fn load(&self, at: usize, line: &mut [f32]) {
        // SAFETY: as promised.
        unsafe {
            if self.remainder.is_null() {
                return load_line(self.param.cast_const().cast(), Kind::Float, at, line);
            }
            let high = std::slice::from_raw_parts(self.copy.cast::<u16>().add(at), line.len());
            let remainder = std::slice::from_raw_parts(self.remainder.add(at), line.len());
            for ((x, high), remainder) in line.iter_mut().zip(high).zip(remainder) {
                *x = join(*high, *remainder);
            }
        }
    }

    /// Stores elements of the parameter from index `at` on.
    ///
    /// # Safety
    /// As for [`Self::load`]; no other thread may use them.
    #[inline(always)]
    unsafe fn store(&self, at: usize, line: &[f32]) {
        // SAFETY: as promised.
        unsafe {
            if self.remainder.is_null() {
                store_line(self.param.cast(), Kind::Float, at, line);
                if !self.copy.is_null() {
                    store_line(self.copy, Kind::BFloat16, at, line);
                }
                return;
            }
            let high = std::slice::from_raw_parts_mut(self.copy.cast::<u16>().add(at), line.len());
            let remainder = std::slice::from_raw_parts_mut(self.remainder.add(at), line.len());
            for ((x, high), remainder) in line.iter().zip(high).zip(remainder) {
                (*high, *remainder) = split(*x);
            }
        }
    }
}

/// The 2-norm over all elements of `grads`.
///
/// # Safety
/// The pointers must be valid.
pub(super) unsafe fn norm(grads: &[Grad]) -> Result<f64> {
    let chunks = chunks(grads.iter().map(|grad| grad.count));
    let sums: Vec<_> = chunks.iter().map(|_| std::sync::atomic::AtomicU64::new(0)).collect();
    let level = CpuLevel::current();
    parallel(c"sst::global_norm", chunks.len(), |i| {
        let (grad, range) = &chunks[i];
        let sum = level.run(Squares { grad: grads[*grad], range: range.clone() });
        sums[i].store(sum.to_bits(), std::sync::atomic::Ordering::Relaxed);
    })?;
    let sum: f64 = sums.into_iter().map(|bits| f64::from_bits(bits.into_inner())).sum();
    Ok(sum.sqrt())
}

struct Squares {
    grad: Grad,
    range: Range<usize>,
}

impl Body for Squares {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        const LANES: usize = 32;
        let Self { grad, range } = self;
        let mut line = [0.0_f32; LINE];
        // A line is summed in fp32, and the lines in fp64. There is one sum for each index modulo `LANES`, so that no
        // addition waits for the previous one.
        let (mut sums, mut tail) = ([0.0_f64; LANES], 0.0);
        for start in range.clone().step_by(LINE) {
            let line = &mut line[..LINE.min(range.end - start)];
            // SAFETY: `start + line.len()` is within the gradient.
            unsafe { load_line(grad.data, grad.kind, start, line) };
            let mut lanes = [0.0_f32; LANES];
            let (whole, rest) = line.as_chunks::<LANES>();
            for numbers in whole {
                for (lane, x) in lanes.iter_mut().zip(numbers) {
                    *lane += x * x;
                }
            }
            for (sum, lane) in sums.iter_mut().zip(lanes) {
                *sum += f64::from(lane);
            }
            tail += rest.iter().map(|x| f64::from(x * x)).sum::<f64>();
        }
        sums.into_iter().sum::<f64>() + tail
    }
}
