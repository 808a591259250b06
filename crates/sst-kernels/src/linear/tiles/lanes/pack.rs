//! Packs factors for [`super::multiply`].

use crate::cpu::CpuLevel;
use crate::linear::WeightLayout;
use crate::linear::tiles::block::BLOCK;
use crate::linear::tiles::pack::{Matrix, STEP};
use crate::number::{Kind, number};
use crate::simd::{MOST_LANES, Simd, SimdBody};

use super::{HALF, HALF_LEN, STEP_LEN};

/// Packs the strip of `x` that begins with `row`.
///
/// # Safety
/// The processor must have the level, the matrix must be readable, and the packed strip writable.
pub(in crate::linear::tiles) unsafe fn strip(
    level: CpuLevel,
    x: &Matrix,
    row: usize,
    to: *mut f32,
) {
    level.run_simd(Pack { matrix: x, what: What::Strip { row }, to });
}

/// Packs one step of the panel of a weight that begins with output `first`.
///
/// # Safety
/// As for [`strip`].
pub(in crate::linear::tiles) unsafe fn panel_step(
    level: CpuLevel,
    weight: &Matrix,
    layout: WeightLayout,
    first: usize,
    step: usize,
    to: *mut f32,
) {
    let what = match layout {
        WeightLayout::OutIn => What::Transposed { first, step },
        WeightLayout::InOut => What::Halves { first, step },
    };
    level.run_simd(Pack { matrix: weight, what, to });
}

/// Packs one step of a strip of the transposed matrix: the columns of the matrix from `first` on. Unless `sums` is
/// null, adds the sums of these columns to it; `sums` points to the sum of the matrix's first column.
///
/// # Safety
/// As for [`strip`]; there must be a sum for each column.
pub(in crate::linear::tiles) unsafe fn turned_step(
    level: CpuLevel,
    matrix: &Matrix,
    first: usize,
    step: usize,
    to: *mut f32,
    sums: *mut f32,
) {
    level.run_simd(Pack { matrix, what: What::Columns { first, step, sums }, to });
}

#[derive(Clone, Copy)]
enum What {
    /// All steps of 32 rows from `row` on.
    Strip { row: usize },
    /// One step of 32 rows from `first` on, transposed into the halves of a panel.
    Transposed { first: usize, step: usize },
    /// The rows of one step, and 32 columns of them from `first` on, as the halves of a panel.
    Halves { first: usize, step: usize },
    /// The rows of one step, and 32 columns of them from `first` on, as a transposed strip.
    Columns { first: usize, step: usize, sums: *mut f32 },
}

struct Pack<'a> {
    matrix: &'a Matrix,
    what: What,
    to: *mut f32,
}

impl SimdBody for Pack<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { matrix, what, to } = self;
        // SAFETY: as promised for the functions above.
        unsafe {
            match what {
                What::Strip { row } => {
                    for step in 0..matrix.columns.div_ceil(STEP) {
                        for r in 0..BLOCK {
                            let to = to.add(step * STEP_LEN + r * STEP);
                            line::<S>(matrix, row + r, step * STEP, to);
                        }
                    }
                }
                What::Transposed { first, step } => transposed::<S>(matrix, first, step, to),
                What::Halves { first, step } => {
                    let mut numbers = [0.0; BLOCK];
                    for r in 0..STEP {
                        line::<S>(matrix, step * STEP + r, first, numbers.as_mut_ptr());
                        for half in 0..2 {
                            let from = numbers.as_ptr().add(half * HALF);
                            from.copy_to_nonoverlapping(to.add(half * HALF_LEN + r * HALF), HALF);
                        }
                    }
                }
                What::Columns { first, step, sums } => {
                    for r in 0..STEP {
                        line::<S>(matrix, step * STEP + r, first, to.add(r * BLOCK));
                    }
                    if !sums.is_null() {
                        let count = STEP.min(matrix.rows - step * STEP);
                        add_columns::<S>(to, count, first, matrix.columns, sums);
                    }
                }
            }
        }
    }
}

/// The number of steps along a row by which its numbers are prefetched in advance.
const AHEAD: usize = 2;

/// Prefetches 32 numbers from index `at` on.
#[inline(always)]
fn prefetch_line<S: Simd>(matrix: &Matrix, at: usize) {
    let (size, lines) = if matrix.kind == Kind::Float { (4, 2) } else { (2, 1) };
    let from = matrix.numbers.wrapping_byte_add(at * size);
    for line in 0..lines {
        // SAFETY: a prefetch of any address is allowed.
        unsafe { S::prefetch(from.wrapping_byte_add(64 * line).cast()) };
    }
}

/// Copies 32 numbers of a row from `column` on, with zeros outside the matrix.
#[inline(always)]
unsafe fn line<S: Simd>(matrix: &Matrix, row: usize, column: usize, to: *mut f32) {
    // SAFETY: only numbers of the matrix are read; there is room for 32.
    unsafe {
        let count = match row < matrix.rows {
            true => STEP.min(matrix.columns.saturating_sub(column)),
            false => 0,
        };
        let at = row * matrix.columns + column;
        prefetch_line::<S>(matrix, at + AHEAD * STEP);
        if count == STEP {
            for c in (0..STEP).step_by(S::LANES) {
                S::store(to.add(c), S::load_kind(matrix.numbers, matrix.kind, at + c));
            }
            return;
        }
        for c in 0..STEP {
            *to.add(c) = if c < count { number(matrix.numbers, matrix.kind, at + c) } else { 0.0 };
        }
    }
}

#[inline(always)]
unsafe fn add_columns<S: Simd>(
    from: *const f32,
    count: usize,
    first: usize,
    columns: usize,
    sums: *mut f32,
) {
    // SAFETY: `from` has 32 columns; `sums` one number for each of `columns`.
    unsafe {
        let mut added = [0.0; BLOCK];
        for c in (0..BLOCK).step_by(S::LANES) {
            let mut sum = S::splat(0.0);
            for r in 0..count {
                sum = S::add(sum, S::load(from.add(r * BLOCK + c)));
            }
            S::store(added.as_mut_ptr().add(c), sum);
        }
        for (c, added) in added.into_iter().enumerate().take(columns - first) {
            *sums.add(first + c) += added;
        }
    }
}

#[inline(always)]
unsafe fn transposed<S: Simd>(matrix: &Matrix, first: usize, step: usize, to: *mut f32) {
    let column = step * STEP;
    // SAFETY: only numbers of the matrix are read; there is room for 32 x 32.
    unsafe {
        if first + BLOCK <= matrix.rows && column + STEP <= matrix.columns {
            for r in (0..BLOCK).step_by(S::LANES) {
                for c in (0..STEP).step_by(S::LANES) {
                    let mut lines = [S::splat(0.0); MOST_LANES];
                    for (i, line) in lines.iter_mut().enumerate().take(S::LANES) {
                        let at = (first + r + i) * matrix.columns + column + c;
                        *line = S::load_kind(matrix.numbers, matrix.kind, at);
                    }
                    S::transpose(&mut lines);
                    for (i, line) in lines.into_iter().enumerate().take(S::LANES) {
                        S::store(to.add(r / HALF * HALF_LEN + (c + i) * HALF + r % HALF), line);
                    }
                }
            }
            return;
        }
        let mut numbers = [0.0; STEP];
        for r in 0..BLOCK {
            line::<S>(matrix, first + r, column, numbers.as_mut_ptr());
            for (c, number) in numbers.into_iter().enumerate() {
                *to.add(r / HALF * HALF_LEN + c * HALF + r % HALF) = number;
            }
        }
    }
}
