//! Matrices as they are stored, and their packed form for products: strips of 32 rows and panels of 32 columns.
//!
//! The layout depends on the unit of the processor: see [`super::lanes`] and [`super::avx512`].

use std::ffi::c_void;

use tch::Tensor;

use super::detect::Unit;
use crate::cpu::CpuLevel;
use crate::error::Result;
use crate::linear::WeightLayout;
use crate::number::Kind;

/// The value of `parts` for numbers that stay in fp32.
pub(super) const FP32: usize = 2;
/// The number of elements along k in a step: as many bf16 numbers as a row of a tile holds.
pub(super) const STEP: usize = 32;
/// The number of rows of a tile.
pub(super) const ROWS: usize = 16;
/// The number of elements of a tile.
pub(super) const TILE: usize = ROWS * STEP;

/// A matrix in row-major order.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub(super) numbers: *const c_void,
    pub(super) kind: Kind,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Matrix {
    /// The matrix of a contiguous tensor in fp32 or bf16.
    pub(super) fn of(tensor: &Tensor) -> Result<Self> {
        let (rows, columns) = tensor.size2()?;
        Ok(Self {
            numbers: tensor.data_ptr().cast_const(),
            kind: kind(tensor),
            rows: rows as usize,
            columns: columns as usize,
        })
    }
}

/// The number type of a tensor in fp32 or bf16.
pub(super) fn kind(tensor: &Tensor) -> Kind {
    match tensor.kind() {
        tch::Kind::BFloat16 => Kind::BFloat16,
        _ => Kind::Float,
    }
}

/// 32 rows of the left factor, along k.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    /// A pointer to the first number of the first row.
    pub(super) numbers: *const c_void,
    /// The distance between rows in bytes, within the first 16 rows and within the others.
    pub(super) row: usize,
    /// The distance in bytes from the first row to row 16.
    half: usize,
    /// The distance in bytes between numbers along k, within a step.
    pub(super) k: usize,
    /// The distance in bytes between steps, or tiles, along k.
    pub(super) step: usize,
    /// The number of rows that exist; the content of the others is unspecified.
    pub(super) rows: usize,
}

impl Strip {
    /// The strip from a later step on.
    pub(super) fn at(self, step: usize) -> Self {
        Self { numbers: self.numbers.wrapping_byte_add(step * self.step), ..self }
    }

    /// The tile of the first 16 rows.
    pub(super) fn upper(&self) -> *const u16 {
        self.numbers.cast()
    }

    /// The tile of the other 16 rows.
    pub(super) fn lower(&self) -> *const u16 {
        self.upper().wrapping_byte_add(self.half)
    }

    /// A strip of numbers that are packed for `unit`, with `rows` rows that exist.
    pub(super) fn packed(unit: Unit, tiles: *const u16, parts: usize, rows: usize) -> Self {
        let numbers = tiles.cast();
        let row = 2 * STEP;
        match unit {
            Unit::Lanes => Self {
                numbers,
                row: 2 * row,
                half: 2 * row * ROWS,
                k: 4,
                step: STEP * 2 * row,
                rows,
            },
            _ => Self { numbers, row, half: 2 * TILE, k: 4, step: 4 * TILE * parts, rows },
        }
    }

    /// A strip of numbers that were transposed while they were packed.
    pub(super) fn turned(unit: Unit, tiles: *const u16, parts: usize, rows: usize) -> Self {
        let strip = Self::packed(unit, tiles, parts, rows);
        match unit {
            Unit::Lanes => Self { row: strip.k, half: ROWS * strip.k, k: strip.row, ..strip },
            _ => strip,
        }
    }

    /// A strip of a matrix that is read in place, with `rows` rows that exist.
    pub(super) fn in_place(matrix: &Matrix, row: usize, rows: usize) -> Self {
        let k = match matrix.kind {
            Kind::Float => 4,
            Kind::BFloat16 => 2,
        };
        let between = k * matrix.columns;
        let numbers = matrix.numbers.wrapping_byte_add(row * between);
        Self { numbers, row: between, half: ROWS * between, k, step: k * STEP, rows }
    }
}

/// 32 columns of the right factor, packed along k.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub(super) tiles: *const u16,
    /// The data to prefetch for a later step, or null.
    pub(super) next: *const u16,
}

/// The number of elements of a packed strip or panel.
pub(super) fn packed_len(steps: usize, parts: usize) -> usize {
    2 * steps * parts * TILE
}

/// The index of the tile of a step, a part and a half (of the rows or columns).
pub(super) fn place(parts: usize, step: usize, part: usize, half: usize) -> usize {
    ((step * parts + part) * 2 + half) * TILE
}

/// Packs the strip of `x` that begins with `row`.
///
/// # Safety
/// The processor must have the unit, the matrix must be readable, and the packed strip writable.
pub(super) unsafe fn strip(unit: Unit, parts: usize, x: &Matrix, row: usize, to: *mut u16) {
    // SAFETY: as promised.
    unsafe {
        match (unit, parts) {
            #[cfg(target_arch = "x86_64")]
            (Unit::Vectors | Unit::Tiles, 1) => super::avx512::strip::<1>(x, row, to),
            #[cfg(target_arch = "x86_64")]
            (Unit::Vectors | Unit::Tiles, FP32) => super::avx512::strip::<FP32>(x, row, to),
            #[cfg(target_arch = "x86_64")]
            (Unit::Vectors | Unit::Tiles, _) => super::avx512::strip::<3>(x, row, to),
            _ => super::lanes::strip(CpuLevel::current(), x, row, to.cast()),
        }
    }
}

/// Packs one step of a strip of the transposed matrix: the columns of the matrix from `first` on. Unless `sums` is
/// null, adds the sums of these columns to it; `sums` points to the sum of the matrix's first column.
///
/// # Safety
/// As for [`strip`]; there must be a sum for each column.
pub(super) unsafe fn turned_step(
    unit: Unit,
    parts: usize,
    matrix: &Matrix,
    (first, step): (usize, usize),
    to: *mut u16,
    sums: *mut f32,
) {
    // SAFETY: as promised.
    unsafe {
        match (unit, parts) {
            #[cfg(target_arch = "x86_64")]
            (Unit::Vectors | Unit::Tiles, 1) => {
                super::avx512::turned_step::<1>(matrix, first, step, to, sums)
            }
            #[cfg(target_arch = "x86_64")]
            (Unit::Vectors | Unit::Tiles, FP32) => {
                super::avx512::turned_step::<FP32>(matrix, first, step, to, sums)
            }
            #[cfg(target_arch = "x86_64")]
            (Unit::Vectors | Unit::Tiles, _) => {
                super::avx512::turned_step::<3>(matrix, first, step, to, sums)
            }
            _ => {
                let level = CpuLevel::current();
                super::lanes::turned_step(level, matrix, first, step, to.cast(), sums);
            }
        }
    }
}

/// Packs one step of the panel of a weight that begins with output `first`.
///
/// # Safety
/// As for [`strip`].
pub(super) unsafe fn panel_step(
    unit: Unit,
    parts: usize,
    weight: &Matrix,
    layout: WeightLayout,
    (first, step): (usize, usize),
    to: *mut u16,
) {
    // SAFETY: as promised.
    unsafe {
        match (unit, parts) {
            #[cfg(target_arch = "x86_64")]
            (Unit::Vectors | Unit::Tiles, 1) => {
                super::avx512::panel_step::<1>(weight, layout, first, step, to)
            }
            #[cfg(target_arch = "x86_64")]
            (Unit::Vectors | Unit::Tiles, FP32) => {
                super::avx512::panel_step::<FP32>(weight, layout, first, step, to)
            }
            #[cfg(target_arch = "x86_64")]
            (Unit::Vectors | Unit::Tiles, _) => {
                super::avx512::panel_step::<3>(weight, layout, first, step, to)
            }
            _ => {
                let level = CpuLevel::current();
                super::lanes::panel_step(level, weight, layout, first, step, to.cast());
            }
        }
    }
}
