//! Writes the results of a block of sums.

use std::ops::Range;

use crate::cpu::CpuLevel;
use crate::linear::FusedActivation;
use crate::linear::tiles::block::{BLOCK, Output, Sums};
use crate::linear::tiles::pack::STEP;
use crate::number::{Kind, number, put_number};
use crate::simd::{Simd, SimdBody};

/// Some rows and the first columns of a block.
pub(in crate::linear::tiles) struct Part {
    pub(in crate::linear::tiles) rows: Range<usize>,
    pub(in crate::linear::tiles) columns: usize,
}

/// Writes the sums to `output`, which points to the first of the rows, and adds a bias to each column.
///
/// # Safety
/// The processor must have the level, the sums must be computed, and the results writable.
pub(in crate::linear::tiles) unsafe fn write(
    level: CpuLevel,
    sums: &Sums,
    bias: &[f32; BLOCK],
    output: Output,
    part: Part,
) {
    level.run_simd(Write { sums: sums.numbers(), bias, part, what: What::Plain(output) });
}

/// Writes the results of [`write()`], and an activation of them.
///
/// # Safety
/// As for [`write()`].
pub(in crate::linear::tiles) unsafe fn write_activated(
    level: CpuLevel,
    sums: &Sums,
    bias: &[f32; BLOCK],
    activation: FusedActivation,
    outputs: [Output; 2],
    part: Part,
) {
    level.run_simd(Write {
        sums: sums.numbers(),
        bias,
        part,
        what: What::Activated(activation, outputs),
    });
}

/// Writes the sums multiplied by the derivative of an activation at its input `before`.
///
/// # Safety
/// As for [`write()`]; `before` must be readable.
pub(in crate::linear::tiles) unsafe fn write_derivative(
    level: CpuLevel,
    sums: &Sums,
    activation: FusedActivation,
    [before, output]: [Output; 2],
    part: Part,
) {
    let bias = &[0.0; BLOCK];
    let what = What::Derivative(activation, before, output);
    level.run_simd(Write { sums: sums.numbers(), bias, part, what });
}

/// Applies the activation to some rows of the sums of a block, and writes them as a step of a packed strip, the left
/// factor of the next product.
///
/// # Safety
/// As for [`write()`]; a step must be writable.
pub(in crate::linear::tiles) unsafe fn write_step(
    level: CpuLevel,
    sums: &Sums,
    bias: &[f32; BLOCK],
    activation: FusedActivation,
    to: *mut f32,
    rows: Range<usize>,
) {
    let part = Part { rows, columns: BLOCK };
    level.run_simd(Write { sums: sums.numbers(), bias, part, what: What::Step(activation, to) });
}

/// Multiplies a row of `grad` by the derivatives of an activation at the same row of `before`, and writes it to
/// `made`. The three matrices have one shape.
///
/// # Safety
/// The processor must have the level, the first two must be readable, and the third writable.
pub(in crate::linear::tiles) unsafe fn write_derivatives(
    level: CpuLevel,
    activation: FusedActivation,
    [grad, before]: [Output; 2],
    made: Output,
    row: usize,
) {
    level.run_simd(Derivatives { activation, grad, before, made, row });
}

enum What {
    Plain(Output),
    Activated(FusedActivation, [Output; 2]),
    Derivative(FusedActivation, Output, Output),
    Step(FusedActivation, *mut f32),
}

struct Write<'a> {
    sums: *const f32,
    bias: &'a [f32; BLOCK],
    part: Part,
    what: What,
}

impl SimdBody for Write<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { sums, bias, part: Part { rows, columns }, what } = self;
        // SAFETY: as promised for the functions above.
        unsafe {
            for r in rows {
                let line = sums.add(r * BLOCK);
                match &what {
                    What::Plain(output) => prefetch_row::<S>(*output, r + BLOCK),
                    What::Activated(_, both) => {
                        both.iter().for_each(|to| prefetch_row::<S>(*to, r + BLOCK))
                    }
                    What::Derivative(_, before, output) => {
                        prefetch_row::<S>(*before, r + BLOCK);
                        prefetch_row::<S>(*output, r + BLOCK);
                    }
                    What::Step(..) => {}
                }
                for at in (0..BLOCK).step_by(S::LANES) {
                    let sum = S::add(S::load(line.add(at)), S::load(bias.as_ptr().add(at)));
                    match &what {
                        What::Plain(output) => put::<S>(*output, r, columns, at, sum),
                        What::Activated(activation, [before, after]) => {
                            put::<S>(*before, r, columns, at, sum);
                            put::<S>(*after, r, columns, at, activation.values::<S>(sum));
                        }
                        What::Derivative(activation, before, output) => {
                            let derivative =
                                activation.derivatives::<S>(get::<S>(*before, r, columns, at));
                            put::<S>(*output, r, columns, at, S::mul(sum, derivative));
                        }
                        What::Step(activation, to) => {
                            S::store(to.add(r * STEP + at), activation.values::<S>(sum));
                        }
                    }
                }
            }
        }
    }
}

struct Derivatives {
    activation: FusedActivation,
    grad: Output,
    before: Output,
    made: Output,
    row: usize,
}

impl SimdBody for Derivatives {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { activation, grad, before, made, row } = self;
        for column in (0..made.stride).step_by(BLOCK) {
            let count = BLOCK.min(made.stride - column);
            let [grad, before, made] = [grad, before, made].map(|matrix| matrix.at(row, column));
            // SAFETY: as promised for `write_derivatives`.
            unsafe {
                for at in (0..BLOCK).step_by(S::LANES) {
                    let derivative = activation.derivatives::<S>(get::<S>(before, 0, count, at));
                    let made_here = S::mul(get::<S>(grad, 0, count, at), derivative);
                    put::<S>(made, 0, count, at, made_here);
                }
            }
        }
    }
}

/// Prefetches a row of the block, if it exists, into the L1 cache. The rows of the next strip, which is usually next,
/// are too far apart for the hardware prefetcher.
#[inline(always)]
fn prefetch_row<S: Simd>(to: Output, row: usize) {
    let from = to.at(row, 0).numbers;
    let lines = if to.kind == Kind::Float { 2 } else { 1 };
    for line in 0..lines {
        // SAFETY: a prefetch of any address is allowed.
        unsafe { S::prefetch_to_write(from.wrapping_byte_add(64 * line).cast()) };
    }
}

/// Stores the vector of a row from column `at` on, up to the last column.
#[inline(always)]
unsafe fn put<S: Simd>(to: Output, row: usize, columns: usize, at: usize, x: S::V) {
    let start = row * to.stride + at;
    // SAFETY: only existing columns are written.
    unsafe {
        if at + S::LANES <= columns {
            return S::store_kind(to.numbers, to.kind, start, x);
        }
        let mut lanes = [0.0; BLOCK];
        S::store(lanes.as_mut_ptr(), x);
        for (i, x) in lanes.into_iter().enumerate().take(columns.saturating_sub(at)) {
            put_number(to.numbers, to.kind, start + i, x);
        }
    }
}

/// Loads the vector of a row from column `at` on, with zeros after the last column.
#[inline(always)]
unsafe fn get<S: Simd>(from: Output, row: usize, columns: usize, at: usize) -> S::V {
    let start = row * from.stride + at;
    // SAFETY: only existing columns are read.
    unsafe {
        if at + S::LANES <= columns {
            return S::load_kind(from.numbers, from.kind, start);
        }
        let mut lanes = [0.0; BLOCK];
        for (i, lane) in lanes.iter_mut().enumerate().take(columns.saturating_sub(at)) {
            *lane = number(from.numbers, from.kind, start + i);
        }
        S::load(lanes.as_ptr())
    }
}
