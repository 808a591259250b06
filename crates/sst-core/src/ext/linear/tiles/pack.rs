//! Factors as tiles of bf16 numbers: 16 rows of 64 bytes each, one after the other.
//!
//! A tile of the left factor is 16 rows of 32 numbers along k. One of the right factor is 16 pairs along k of 16
//! columns: each row holds, column by column, the two numbers of a pair (Intel, "Architecture Instruction Set
//! Extensions", `TDPBF16PS`).
//!
//! A number in fp32 is laid out as the sum of P = 3 in bf16: itself rounded, what that leaves, rounded, and what this
//! leaves. With 8 bits each they hold all its 24 (Henry, Tang and Heinecke 2019, "Leveraging the bfloat16 Artificial
//! Intelligence Datatype For Higher-Precision Computations").

use std::arch::x86_64::*;
use std::ffi::c_void;
use std::mem::transmute;

use tch::Tensor;

use super::block::BLOCK;
use crate::error::Result;
use crate::ext::linear::Layout;
use crate::ext::number::Kind;
use crate::ext::simd::{Avx512, Simd};

/// Numbers along k that a tile holds.
pub(super) const STEP: usize = 32;
/// Rows of a tile.
pub(super) const ROWS: usize = 16;
/// Numbers of a tile.
pub(super) const TILE: usize = ROWS * STEP;

/// A matrix as it is stored, row by row.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub(super) numbers: *const c_void,
    pub(super) kind: Kind,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Matrix {
    /// Of a contiguous tensor in fp32 or bf16.
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

/// What the numbers of a tensor in fp32 or bf16 are.
pub(super) fn kind(tensor: &Tensor) -> Kind {
    match tensor.kind() {
        tch::Kind::BFloat16 => Kind::BFloat16,
        _ => Kind::Float,
    }
}

/// 32 rows of the left factor, along k.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    /// The first tile of the first 16 rows, and of the others.
    pub(super) upper: *const u16,
    pub(super) lower: *const u16,
    /// Bytes from one row of a tile to the next.
    pub(super) stride: usize,
    /// Bytes from one tile to the next along k.
    pub(super) step: usize,
}

impl Strip {
    /// That of a later step.
    pub(super) fn at(self, step: usize) -> Self {
        let further = |tile: *const u16| tile.wrapping_byte_add(step * self.step);
        Self { upper: further(self.upper), lower: further(self.lower), ..self }
    }

    /// Of numbers that are packed.
    pub(super) fn packed(tiles: *const u16, parts: usize) -> Self {
        let lower = tiles.wrapping_add(TILE);
        Self { upper: tiles, lower, stride: 2 * STEP, step: 4 * TILE * parts }
    }

    /// Of a matrix in bf16 whose rows end with a tile, as it lies.
    pub(super) fn in_place(matrix: &Matrix, row: usize) -> Self {
        let columns = matrix.columns;
        let upper = matrix.numbers.cast::<u16>().wrapping_add(row * columns);
        let lower = upper.wrapping_add(ROWS * columns);
        Self { upper, lower, stride: 2 * columns, step: 2 * STEP }
    }
}

/// 32 columns of the right factor, packed along k.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub(super) tiles: *const u16,
    /// What to bring near for later, if it is there.
    pub(super) next: *const u16,
}

/// Numbers of a packed strip or panel.
pub(super) fn packed_len(steps: usize, parts: usize) -> usize {
    2 * steps * parts * TILE
}

/// Where the tile of a step, a part and a half (of rows or columns) begins.
pub(super) fn place(parts: usize, step: usize, part: usize, half: usize) -> usize {
    ((step * parts + part) * 2 + half) * TILE
}

/// 32 numbers of a row from `column` on, in P parts: zeros where there is none.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn line<const P: usize>(matrix: &Matrix, row: usize, column: usize) -> [__m512i; P] {
    // SAFETY: a lane outside the matrix is not read.
    unsafe {
        if row >= matrix.rows || column >= matrix.columns {
            return [_mm512_setzero_si512(); P];
        }
        let at = row * matrix.columns + column;
        let count = matrix.columns - column;
        let mask: u32 = if count >= STEP { u32::MAX } else { (1 << count) - 1 };
        match matrix.kind {
            Kind::BFloat16 => {
                let from = matrix.numbers.cast::<i16>().add(at);
                let mut parts = [_mm512_setzero_si512(); P];
                parts[0] = _mm512_maskz_loadu_epi16(mask, from);
                parts
            }
            Kind::Float => {
                let from = matrix.numbers.cast::<f32>().add(at);
                let low = _mm512_maskz_loadu_ps(mask as u16, from);
                let high = _mm512_maskz_loadu_ps((mask >> 16) as u16, from.wrapping_add(16));
                split(low, high)
            }
        }
    }
}

/// 32 fp32 numbers as the sums of P in bf16.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn split<const P: usize>(mut low: __m512, mut high: __m512) -> [__m512i; P] {
    let mut parts = [_mm512_setzero_si512(); P];
    for (i, part) in parts.iter_mut().enumerate() {
        // SAFETY: both are 512 bits without a niche.
        *part = unsafe { transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) };
        if i + 1 < P {
            // bf16 is the upper half of an fp32 number.
            let wide =
                |half| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)));
            low = _mm512_sub_ps(low, wide(_mm512_castsi512_si256(*part)));
            high = _mm512_sub_ps(high, wide(_mm512_extracti64x4_epi64::<1>(*part)));
        }
    }
    parts
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn store(tile: *mut u16, row: usize, numbers: __m512i) {
    // SAFETY: the caller promises a tile.
    unsafe { _mm512_storeu_si512(tile.add(row * STEP).cast(), numbers) }
}

/// Lays out the strip of `x` that begins with `row`.
///
/// # Safety
/// The processor must have AVX-512 bf16, the matrix its numbers, and there be room for a packed strip.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn strip<const P: usize>(x: &Matrix, row: usize, to: *mut u16) {
    for r in 0..BLOCK {
        for step in 0..x.columns.div_ceil(STEP) {
            // SAFETY: as promised.
            unsafe {
                for (p, numbers) in line::<P>(x, row + r, step * STEP).into_iter().enumerate() {
                    store(to.add(place(P, step, p, r / ROWS)), r % ROWS, numbers);
                }
            }
        }
    }
}

/// Lays out the panel of a weight that begins with output `first`.
///
/// # Safety
/// As for [`strip`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn panel<const P: usize>(
    weight: &Matrix,
    layout: Layout,
    first: usize,
    to: *mut u16,
) {
    // SAFETY: as promised.
    unsafe {
        match layout {
            Layout::OutIn => {
                for step in 0..weight.columns.div_ceil(STEP) {
                    for half in 0..2 {
                        let mut lines = [[_mm512_setzero_si512(); ROWS]; P];
                        for r in 0..ROWS {
                            let row = first + half * ROWS + r;
                            let parts = line::<P>(weight, row, step * STEP);
                            for (lines, part) in lines.iter_mut().zip(parts) {
                                lines[r] = part;
                            }
                        }
                        for (p, lines) in lines.into_iter().enumerate() {
                            let tile = to.add(place(P, step, p, half));
                            for (r, numbers) in transpose(lines).into_iter().enumerate() {
                                store(tile, r, numbers);
                            }
                        }
                    }
                }
            }
            Layout::InOut => {
                let order: [u16; 32] =
                    std::array::from_fn(|i| (i / 2 + if i % 2 == 1 { 32 } else { 0 }) as u16);
                let order = _mm512_loadu_si512(order.as_ptr().cast());
                let second = _mm512_add_epi16(order, _mm512_set1_epi16(16));
                for step in 0..weight.rows.div_ceil(STEP) {
                    for r in 0..ROWS {
                        let row = step * STEP + 2 * r;
                        let upper = line::<P>(weight, row, first);
                        let lower = line::<P>(weight, row + 1, first);
                        for (p, (a, b)) in upper.into_iter().zip(lower).enumerate() {
                            for (half, order) in [order, second].into_iter().enumerate() {
                                let pairs = _mm512_permutex2var_epi16(a, order, b);
                                store(to.add(place(P, step, p, half)), r, pairs);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The transpose of 16 x 16 numbers of 32 bits.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(lines: [__m512i; ROWS]) -> [__m512i; ROWS] {
    let mut lines = lines.map(|line| _mm512_castsi512_ps(line));
    // SAFETY: the feature is there; shuffles leave the bits of numbers as they are.
    unsafe { Avx512::transpose(&mut lines) };
    lines.map(|line| _mm512_castps_si512(line))
}
