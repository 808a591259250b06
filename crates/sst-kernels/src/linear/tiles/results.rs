//! What becomes of the sums of a block.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::block::{BLOCK, Output, Sums};
use super::detect::{Unit, unit};
use super::lanes;
#[cfg(target_arch = "x86_64")]
use super::pack::FP32;
use crate::cpu::CpuLevel;
use crate::linear::FusedActivation;

/// A block of sums that is complete.
pub(super) struct Block<'a> {
    pub(super) sums: &'a Sums,
    /// That of its columns.
    pub(super) bias: &'a [f32; BLOCK],
    pub(super) panel: usize,
    pub(super) strip: usize,
    pub(super) unit: Unit,
}

impl Block<'_> {
    /// Where this block begins in `matrix`, which of `some` rows of it there are, and how many columns.
    fn within(&self, matrix: Output, some: Range<usize>) -> (Output, Range<usize>, usize) {
        let (row, column) = (self.strip * BLOCK, self.panel * BLOCK);
        let some = some.start..some.end.min(matrix.rows - row);
        (matrix.at(row, column), some, BLOCK.min(matrix.stride - column))
    }

    /// Writes some rows of the sums, with the bias, to a matrix of results.
    ///
    /// # Safety
    /// The sums must be computed, and the results be writable.
    pub(super) unsafe fn write(&self, to: Output, some: Range<usize>) {
        let (output, rows, columns) = self.within(to, some);
        // SAFETY: that a weight is packed for the unit shows that the processor has it.
        unsafe {
            match self.unit {
                #[cfg(target_arch = "x86_64")]
                Unit::Vectors | Unit::Tiles => self.sums.write(self.bias, output, rows, columns),
                _ => {
                    let part = lanes::Part { rows, columns };
                    lanes::write(CpuLevel::current(), self.sums, self.bias, output, part);
                }
            }
        }
    }

    /// Writes what [`Self::write`] does, and what a curve makes of it.
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn write_curve(
        &self,
        curve: FusedActivation,
        to: [Output; 2],
        some: Range<usize>,
    ) {
        let (_, rows, columns) = self.within(to[0], some.clone());
        let to = to.map(|matrix| self.within(matrix, some.clone()).0);
        // SAFETY: as above.
        unsafe {
            match self.unit {
                #[cfg(target_arch = "x86_64")]
                Unit::Vectors | Unit::Tiles => {
                    self.sums.write_curve(self.bias, curve, to, rows, columns);
                }
                _ => {
                    let part = lanes::Part { rows, columns };
                    lanes::write_curve(CpuLevel::current(), self.sums, self.bias, curve, to, part);
                }
            }
        }
    }

    /// Writes the sums times the slope of a curve at what was before it: of these matrices the first is read.
    ///
    /// # Safety
    /// As for [`Self::write`]; what was before must be there.
    pub(super) unsafe fn write_slope(
        &self,
        curve: FusedActivation,
        both: [Output; 2],
        some: Range<usize>,
    ) {
        let (_, rows, columns) = self.within(both[0], some.clone());
        let [before, output] = both.map(|matrix| self.within(matrix, some.clone()).0);
        // SAFETY: as above.
        unsafe {
            match self.unit {
                #[cfg(target_arch = "x86_64")]
                Unit::Vectors | Unit::Tiles => {
                    self.sums.write_slope(curve, before, output, rows, columns);
                }
                _ => {
                    let part = lanes::Part { rows, columns };
                    let level = CpuLevel::current();
                    lanes::write_slope(level, self.sums, curve, [before, output], part);
                }
            }
        }
    }

    /// Writes some rows, after the curve, as a step of a packed strip of the next product, whose numbers have so many
    /// parts.
    ///
    /// # Safety
    /// As for [`Self::write`]; there must be room for a step.
    pub(super) unsafe fn write_step(
        &self,
        parts: usize,
        curve: FusedActivation,
        to: *mut u16,
        rows: Range<usize>,
    ) {
        let Self { sums, bias, .. } = self;
        // SAFETY: as above.
        unsafe {
            match (self.unit, parts) {
                #[cfg(target_arch = "x86_64")]
                (Unit::Vectors | Unit::Tiles, 1) => {
                    avx512::write_step::<1>(sums, bias, curve, to, rows)
                }
                #[cfg(target_arch = "x86_64")]
                (Unit::Vectors | Unit::Tiles, FP32) => {
                    avx512::write_step::<FP32>(sums, bias, curve, to, rows)
                }
                #[cfg(target_arch = "x86_64")]
                (Unit::Vectors | Unit::Tiles, _) => {
                    avx512::write_step::<3>(sums, bias, curve, to, rows)
                }
                _ => {
                    lanes::write_step(CpuLevel::current(), sums, bias, curve, to.cast(), rows);
                }
            }
        }
    }
}

/// Writes a row of `grad` times the slopes of a curve at that of `before` to `made`; all three have one shape.
///
/// # Safety
/// The first two must be there, and the third be writable.
pub(super) unsafe fn write_slopes(
    curve: FusedActivation,
    [grad, before]: [Output; 2],
    made: Output,
    row: usize,
) {
    // SAFETY: as promised; the unit is what this process has.
    unsafe {
        match unit() {
            #[cfg(target_arch = "x86_64")]
            Some(Unit::Vectors | Unit::Tiles) => made.write_slopes(curve, [grad, before], row),
            _ => lanes::write_slopes(CpuLevel::current(), curve, [grad, before], made, row),
        }
    }
}
