//! The inner loop: multiplies some rows with two vectors of columns, and keeps the sums in registers.

use crate::cpu::CpuLevel;
use crate::linear::tiles::block::{BLOCK, Sums};
use crate::linear::tiles::pack::{STEP, Strip};
use crate::simd::{Simd, SimdBody};

use super::{HALF, HALF_LEN, STEP_LEN};

/// The largest number of rows: 16 registers hold 6 x 2 sums, two vectors of the panel and one of the strip.
const HEIGHT: usize = 6;
/// The number of vectors of columns.
const WIDTH: usize = 2;

/// Adds the products of the rows of a strip and of a panel along `depth` numbers to `start`, which is null for zeros.
///
/// # Safety
/// The processor must have the level, both factors and `start` must be readable, and `sums` writable.
pub(in crate::linear::tiles) unsafe fn multiply(
    level: CpuLevel,
    strip: Strip,
    panel: *const f32,
    depth: usize,
    start: *const Sums,
    sums: *mut Sums,
) {
    level.run_simd(Multiply { strip, panel, depth, start: start.cast(), sums: sums.cast() });
}

struct Multiply {
    strip: Strip,
    panel: *const f32,
    depth: usize,
    start: *const f32,
    sums: *mut f32,
}

impl SimdBody for Multiply {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: passed on.
        unsafe {
            match self.strip.k {
                NUMBER => self.all_rows::<S, LINE, NUMBER>(),
                _ => self.all_rows::<S, NUMBER, LINE>(),
            }
        }
    }
}

/// The number of bytes of an element, and of a row of a step.
const NUMBER: usize = size_of::<f32>();
const LINE: usize = NUMBER * STEP;

impl Multiply {
    /// Computes all sums. `ROW` is the number of bytes between two rows of the strip, and `K` between two numbers
    /// along k.
    #[inline(always)]
    unsafe fn all_rows<S: Simd, const ROW: usize, const K: usize>(&self) {
        let rows = self.strip.rows;
        let groups = rows.div_ceil(HEIGHT);
        // SAFETY: as promised for `multiply`; rows and columns are within the block.
        unsafe {
            for column in (0..BLOCK).step_by(WIDTH * S::LANES) {
                for group in 0..groups {
                    // Splits the rows into groups whose sizes differ by at most one.
                    let row = group * rows / groups;
                    match (group + 1) * rows / groups - row {
                        1 => self.rows::<S, ROW, K, 1>(row, column),
                        2 => self.rows::<S, ROW, K, 2>(row, column),
                        3 => self.rows::<S, ROW, K, 3>(row, column),
                        4 => self.rows::<S, ROW, K, 4>(row, column),
                        5 => self.rows::<S, ROW, K, 5>(row, column),
                        _ => self.rows::<S, ROW, K, 6>(row, column),
                    }
                }
            }
        }
    }

    /// Computes the sums of `H` rows from `row` on, and of two vectors of columns from `column` on.
    #[inline(always)]
    unsafe fn rows<S: Simd, const ROW: usize, const K: usize, const H: usize>(
        &self,
        row: usize,
        column: usize,
    ) {
        // SAFETY: as promised for `multiply`.
        unsafe {
            let mut all = [[S::splat(0.0); WIDTH]; H];
            let place = |r: usize, w: usize| (row + r) * BLOCK + column + w * S::LANES;
            if !self.start.is_null() {
                for (r, sums) in all.iter_mut().enumerate() {
                    for (w, sum) in sums.iter_mut().enumerate() {
                        *sum = S::load(self.start.add(place(r, w)));
                    }
                }
            }
            let mut left = self.strip.numbers.cast::<f32>().byte_add(row * ROW);
            let mut right = self.panel.add(column / HALF * HALF_LEN + column % HALF);
            for _ in 0..self.depth / STEP {
                for k in 0..STEP {
                    add_products::<S, ROW, H>(&mut all, left.byte_add(k * K), right.add(k * HALF));
                }
                left = left.wrapping_add(STEP_LEN);
                right = right.wrapping_add(STEP_LEN);
            }
            for k in 0..self.depth % STEP {
                add_products::<S, ROW, H>(&mut all, left.byte_add(k * K), right.add(k * HALF));
            }
            for (r, sums) in all.iter().enumerate() {
                for (w, sum) in sums.iter().enumerate() {
                    S::store(self.sums.add(place(r, w)), *sum);
                }
            }
        }
    }
}

/// Adds the products of one number of each row with two vectors of columns.
#[inline(always)]
unsafe fn add_products<S: Simd, const ROW: usize, const H: usize>(
    all: &mut [[S::V; WIDTH]; H],
    left: *const f32,
    right: *const f32,
) {
    // SAFETY: as promised for `multiply`.
    unsafe {
        // If a vector is as wide as half a panel, the second vector is in the other half.
        let second = if S::LANES == HALF { HALF_LEN } else { S::LANES };
        let columns: [S::V; WIDTH] = [S::load(right), S::load(right.add(second))];
        for (r, sums) in all.iter_mut().enumerate() {
            let number = S::splat(*left.byte_add(r * ROW));
            for (sum, columns) in sums.iter_mut().zip(columns) {
                *sum = S::fma(number, columns, *sum);
            }
        }
    }
}
