//! Writes the results of complete blocks of sums.

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

/// A block whose sums are complete.
pub(super) struct Block<'a> {
    pub(super) sums: &'a Sums,
    /// The bias of the block's columns.
    pub(super) bias: &'a [f32; BLOCK],
    pub(super) panel: usize,
    pub(super) strip: usize,
    pub(super) unit: Unit,
}

impl Block<'_> {
    /// The start of this block in `matrix`, the rows of `some` that exist, and the number of columns that exist.
    fn within(&self, matrix: Output, some: Range<usize>) -> (Output, Range<usize>, usize) {
        let (row, column) = (self.strip * BLOCK, self.panel * BLOCK);
        let some = some.start..some.end.min(matrix.rows - row);
        (matrix.at(row, column), some, BLOCK.min(matrix.stride - column))
    }

    /// Writes some rows of the sums, with the bias added, to a matrix of results.
    ///
    /// # Safety
    /// The sums must be computed, and the results writable.
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

    /// Writes the results of [`Self::write`], and an activation of them.
    ///
    /// # Safety
    /// As for [`Self::write`].
    pub(super) unsafe fn write_activated(
        &self,
        activation: FusedActivation,
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
                    self.sums.write_activated(self.bias, activation, to, rows, columns);
                }
                _ => {
                    let part = lanes::Part { rows, columns };
                    lanes::write_activated(
                        CpuLevel::current(),
                        self.sums,
                        self.bias,
                        activation,
                        to,
                        part,
                    );
                }
            }
        }
    }

    /// Writes the sums multiplied by the derivative of an activation at its input. The first of the two matrices is
    /// this input and is only read.
    ///
    /// # Safety
    /// As for [`Self::write`]; the input must be readable.
    pub(super) unsafe fn write_derivative(
        &self,
        activation: FusedActivation,
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
                    self.sums.write_derivative(activation, before, output, rows, columns);
                }
                _ => {
                    let part = lanes::Part { rows, columns };
                    let level = CpuLevel::current();
                    lanes::write_derivative(level, self.sums, activation, [before, output], part);
                }
            }
        }
    }

    /// Applies the activation to some rows, and writes them as a step of a packed strip of the next product, whose
    /// numbers have `parts` parts.
    ///
    /// # Safety
    /// As for [`Self::write`]; a step must be writable.
    pub(super) unsafe fn write_step(
        &self,
        parts: usize,
        activation: FusedActivation,
        to: *mut u16,
        rows: Range<usize>,
    ) {
        let Self { sums, bias, .. } = self;
        // SAFETY: as above.
        unsafe {
            match (self.unit, parts) {
                #[cfg(target_arch = "x86_64")]
                (Unit::Vectors | Unit::Tiles, 1) => {
                    avx512::write_step::<1>(sums, bias, activation, to, rows)
                }
                #[cfg(target_arch = "x86_64")]
                (Unit::Vectors | Unit::Tiles, FP32) => {
                    avx512::write_step::<FP32>(sums, bias, activation, to, rows)
                }
                #[cfg(target_arch = "x86_64")]
                (Unit::Vectors | Unit::Tiles, _) => {
                    avx512::write_step::<3>(sums, bias, activation, to, rows)
                }
                _ => {
                    lanes::write_step(CpuLevel::current(), sums, bias, activation, to.cast(), rows);
                }
            }
        }
    }
}

/// Multiplies a row of `grad` by the derivatives of an activation at the same row of `before`, and writes it to
/// `made`. The three matrices have one shape.
///
/// # Safety
/// The first two must be readable, and the third writable.
pub(super) unsafe fn write_derivatives(
    activation: FusedActivation,
    [grad, before]: [Output; 2],
    made: Output,
    row: usize,
) {
    // SAFETY: as promised; the unit is what this process has.
    unsafe {
        match unit() {
            #[cfg(target_arch = "x86_64")]
            Some(Unit::Vectors | Unit::Tiles) => {
                made.write_derivatives(activation, [grad, before], row)
            }
            _ => {
                lanes::write_derivatives(CpuLevel::current(), activation, [grad, before], made, row)
            }
        }
    }
}
