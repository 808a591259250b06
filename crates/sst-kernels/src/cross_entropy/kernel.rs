//! Computes the loss and the gradient of one token at a time, in fp32, in a buffer that stays in the cache.

use std::ffi::c_void;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cpu::CpuLevel;
use crate::number::{Kind, load_line, store_line};
use crate::simd::{Simd, SimdBody};

/// The arguments. The matrices are `[n, v]` and contiguous.
pub(super) struct Problem<'a> {
    pub(super) logits: *const c_void,
    /// Null if no gradient is wanted.
    pub(super) gradient: *mut c_void,
    pub(super) kind: Kind,
    pub(super) labels: &'a [i64],
    pub(super) tokens: &'a [Token],
    pub(super) vocab: usize,
    pub(super) ignore_index: i64,
    pub(super) z_loss: f32,
}

// SAFETY: each token's numbers are written by one thread, and all else is only read.
unsafe impl Sync for Problem<'_> {}

/// The results of a token; zeros if its label is ignored.
#[derive(Default)]
pub(super) struct Token {
    loss: AtomicU32,
    z_loss: AtomicU32,
    correct: AtomicU32,
}

fn read(number: &AtomicU32) -> f32 {
    f32::from_bits(number.load(Ordering::Relaxed))
}

impl Token {
    pub(super) fn loss(&self) -> f32 {
        read(&self.loss)
    }

    pub(super) fn z_loss(&self) -> f32 {
        read(&self.z_loss)
    }

    pub(super) fn correct(&self) -> f32 {
        read(&self.correct)
    }

    fn set(&self, [loss, z_loss, correct]: [f32; 3]) {
        self.loss.store(loss.to_bits(), Ordering::Relaxed);
        self.z_loss.store(z_loss.to_bits(), Ordering::Relaxed);
        self.correct.store(correct.to_bits(), Ordering::Relaxed);
    }
}

/// Computes the tokens of `range`.
///
/// # Safety
/// The pointers must be valid for the sizes, labels that are not ignored must be smaller than the vocabulary, the
/// processor must have the level, and no other thread may compute these tokens.
pub(super) unsafe fn run(level: CpuLevel, problem: &Problem<'_>, range: Range<usize>) {
    level.run_simd(Tokens { problem, range });
}

struct Tokens<'a> {
    problem: &'a Problem<'a>,
    range: Range<usize>,
}

impl SimdBody for Tokens<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { problem, range } = self;
        let mut line = vec![0.0; problem.vocab];
        for token in range {
            let at = token * problem.vocab;
            let label = problem.labels[token];
            if label == problem.ignore_index {
                if !problem.gradient.is_null() {
                    line.fill(0.0);
                    // SAFETY: the line is the token's.
                    unsafe { store_line(problem.gradient, problem.kind, at, &line) };
                }
                continue;
            }
            // SAFETY: as promised for `super::run`.
            unsafe {
                load_line(problem.logits, problem.kind, at, &mut line);
                let sums = one::<S>(&mut line, label as usize, problem.z_loss);
                problem.tokens[token].set(sums);
                if !problem.gradient.is_null() {
                    store_line(problem.gradient, problem.kind, at, &line);
                }
            }
        }
    }
}

/// Replaces the logits of a token by their gradient. Returns the loss, the z-loss, and 1 if the label is the first of
/// the largest logits.
#[inline(always)]
unsafe fn one<S: Simd>(line: &mut [f32], label: usize, z_weight: f32) -> [f32; 3] {
    let logit = line[label];
    // SAFETY: the processor has what `S` needs.
    let largest = unsafe { max::<S>(line) };
    if !largest.is_finite() || line.iter().any(|x| x.is_nan()) {
        line.fill(f32::NAN);
        return [f32::NAN, f32::NAN, 0.0];
    }
    let correct = logit == largest && !line[..label].contains(&largest);
    // SAFETY: as above.
    let sum = unsafe { exponents::<S>(line, largest) };
    let log_sum = largest + sum.ln();
    let z_loss = z_weight * log_sum * log_sum;
    // The gradient of the log-sum-exp is the softmax. It enters once for the loss, and by the chain rule for the
    // squared term.
    let factor = (1.0 + 2.0 * z_weight * log_sum) / sum;
    for x in line.iter_mut() {
        *x *= factor;
    }
    line[label] -= 1.0;
    [log_sum - logit + z_loss, z_loss, if correct { 1.0 } else { 0.0 }]
}

/// The largest number; unspecified if one is NaN.
#[inline(always)]
unsafe fn max<S: Simd>(line: &[f32]) -> f32 {
    let whole = line.len() - line.len() % S::LANES;
    let mut lanes = [f32::NEG_INFINITY; 16];
    // SAFETY: whole vectors of the line; no vector has more than 16 lanes.
    unsafe {
        let mut largest = S::splat(f32::NEG_INFINITY);
        for at in (0..whole).step_by(S::LANES) {
            largest = S::max(S::load(line.as_ptr().add(at)), largest);
        }
        S::store(lanes.as_mut_ptr(), largest);
    }
    let rest = line[whole..].iter().chain(&lanes);
    rest.fold(f32::NEG_INFINITY, |largest, x| largest.max(*x))
}

/// Replaces the numbers by `e^(x - largest)`, and returns their sum.
#[inline(always)]
unsafe fn exponents<S: Simd>(line: &mut [f32], largest: f32) -> f32 {
    let whole = line.len() - line.len() % S::LANES;
    // SAFETY: whole vectors of the line.
    let mut sum = unsafe {
        let shift = S::splat(-largest);
        let mut sum = S::splat(0.0);
        for at in (0..whole).step_by(S::LANES) {
            let place = line.as_mut_ptr().add(at);
            let y = S::exp(S::add(S::load(place), shift));
            S::store(place, y);
            sum = S::add(sum, y);
        }
        S::sum(sum)
    };
    for x in &mut line[whole..] {
        *x = (*x - largest).exp();
        sum += *x;
    }
    sum
}
