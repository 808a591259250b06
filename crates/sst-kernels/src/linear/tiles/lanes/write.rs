//! What becomes of the sums of a block.

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

/// Writes the sums with a bias for each column to `output`, where the first row begins.
///
/// # Safety
/// The processor must have the level, the sums been computed, and the results be writable.
pub(in crate::linear::tiles) unsafe fn write(
    level: CpuLevel,
    sums: &Sums,
    bias: &[f32; BLOCK],
    output: Output,
    part: Part,
) {
    level.run_simd(Write { sums: sums.numbers(), bias, part, what: What::Plain(output) });
}

/// Writes what [`write()`] does, and what a curve makes of it.
///
/// # Safety
/// As there.
pub(in crate::linear::tiles) unsafe fn write_curve(
    level: CpuLevel,
    sums: &Sums,
    bias: &[f32; BLOCK],
    curve: FusedActivation,
    outputs: [Output; 2],
    part: Part,
) {
    level.run_simd(Write {
        sums: sums.numbers(),
        bias,
        part,
        what: What::FusedActivation(curve, outputs),
    });
}

/// Writes the sums times the slope of a curve at what was `before` it.
///
/// # Safety
/// As for [`write()`]; what was before must be there.
pub(in crate::linear::tiles) unsafe fn write_slope(
    level: CpuLevel,
    sums: &Sums,
    curve: FusedActivation,
    [before, output]: [Output; 2],
    part: Part,
) {
    let bias = &[0.0; BLOCK];
    let what = What::Slope(curve, before, output);
    level.run_simd(Write { sums: sums.numbers(), bias, part, what });
}

/// Writes some rows of the sums of a block as a step of a packed strip, after the curve: they are the left factor of the
/// next product.
///
/// # Safety
/// As for [`write()`]; there must be room for a step.
pub(in crate::linear::tiles) unsafe fn write_step(
    level: CpuLevel,
    sums: &Sums,
    bias: &[f32; BLOCK],
    curve: FusedActivation,
    to: *mut f32,
    rows: Range<usize>,
) {
    let part = Part { rows, columns: BLOCK };
    level.run_simd(Write { sums: sums.numbers(), bias, part, what: What::Step(curve, to) });
}

/// Writes a row of `grad` times the slopes of a curve at that of `before` to `made`; all three have one shape.
///
/// # Safety
/// The processor must have the level, the first two be there, and the third be writable.
pub(in crate::linear::tiles) unsafe fn write_slopes(
    level: CpuLevel,
    curve: FusedActivation,
    [grad, before]: [Output; 2],
    made: Output,
    row: usize,
) {
    level.run_simd(Slopes { curve, grad, before, made, row });
}

enum What {
    Plain(Output),
    FusedActivation(FusedActivation, [Output; 2]),
    Slope(FusedActivation, Output, Output),
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
                    What::Plain(output) => bring::<S>(*output, r + BLOCK),
                    What::FusedActivation(_, both) => {
                        both.iter().for_each(|to| bring::<S>(*to, r + BLOCK))
                    }
                    What::Slope(_, before, output) => {
                        bring::<S>(*before, r + BLOCK);
                        bring::<S>(*output, r + BLOCK);
                    }
                    What::Step(..) => {}
                }
                for at in (0..BLOCK).step_by(S::LANES) {
                    let sum = S::add(S::load(line.add(at)), S::load(bias.as_ptr().add(at)));
                    match &what {
                        What::Plain(output) => put::<S>(*output, r, columns, at, sum),
                        What::FusedActivation(curve, [before, after]) => {
                            put::<S>(*before, r, columns, at, sum);
                            put::<S>(*after, r, columns, at, curve.values::<S>(sum));
                        }
                        What::Slope(curve, before, output) => {
                            let slope = curve.slopes::<S>(get::<S>(*before, r, columns, at));
                            put::<S>(*output, r, columns, at, S::mul(sum, slope));
                        }
                        What::Step(curve, to) => {
                            S::store(to.add(r * STEP + at), curve.values::<S>(sum));
                        }
                    }
                }
            }
        }
    }
}

struct Slopes {
    curve: FusedActivation,
    grad: Output,
    before: Output,
    made: Output,
    row: usize,
}

impl SimdBody for Slopes {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { curve, grad, before, made, row } = self;
        for column in (0..made.stride).step_by(BLOCK) {
            let count = BLOCK.min(made.stride - column);
            let [grad, before, made] = [grad, before, made].map(|matrix| matrix.at(row, column));
            // SAFETY: as promised for `write_slopes`.
            unsafe {
                for at in (0..BLOCK).step_by(S::LANES) {
                    let slope = curve.slopes::<S>(get::<S>(before, 0, count, at));
                    let made_here = S::mul(get::<S>(grad, 0, count, at), slope);
                    put::<S>(made, 0, count, at, made_here);
                }
            }
        }
    }
}

/// Brings a row of the block to the first cache, if there is one: rows of the next strip, which mostly comes next, are too
/// far apart for the processor to see them coming.
#[inline(always)]
fn bring<S: Simd>(to: Output, row: usize) {
    let from = to.at(row, 0).numbers;
    let lines = if to.kind == Kind::Float { 2 } else { 1 };
    for line in 0..lines {
        // SAFETY: any place may be asked for.
        unsafe { S::prefetch_to_write(from.wrapping_byte_add(64 * line).cast()) };
    }
}

/// Writes the vector of a row from column `at` on, as far as there are columns.
#[inline(always)]
unsafe fn put<S: Simd>(to: Output, row: usize, columns: usize, at: usize, x: S::V) {
    let start = row * to.stride + at;
    // SAFETY: only the columns that there are get written.
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

/// The vector of a row from a column on: zeros where there is none.
#[inline(always)]
unsafe fn get<S: Simd>(from: Output, row: usize, columns: usize, at: usize) -> S::V {
    let start = row * from.stride + at;
    // SAFETY: only the columns that there are get read.
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
