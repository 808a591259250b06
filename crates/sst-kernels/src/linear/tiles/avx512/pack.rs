//! Packs factors into the tiles of AVX-512 and AMX: 16 rows of 64 bytes each, one after the other.
//!
//! A tile of the left factor has 16 rows of 32 numbers along k. A tile of the right factor has 16 pairs along k of 16
//! columns: each row holds, column by column, the two numbers of a pair (Intel, "Architecture Instruction Set
//! Extensions", `TDPBF16PS`).
//!
//! With P = 1 numbers are in bf16. With P = 2 they stay in fp32, and a step is stored as two parts of sixteen numbers
//! along k, so that a tile holds 16 x 16 numbers. With P = 3 a number is stored as the sum of three bf16 numbers: the
//! rounded number, the rounded remainder, and the rounded remainder of that. Their 8 bits each hold all 24 bits of
//! fp32 (Henry, Tang and Heinecke 2019, "Leveraging the bfloat16 Artificial Intelligence Datatype For
//! Higher-Precision Computations").
#![allow(clippy::needless_range_loop, reason = "a number is a place in several arrays")]

use std::arch::x86_64::*;
use std::mem::transmute;

use crate::linear::WeightLayout;
use crate::linear::tiles::block::BLOCK;
use crate::linear::tiles::pack::{FP32, Matrix, ROWS, STEP, place};
use crate::number::Kind;
use crate::simd::{Avx512, Simd};

/// The number of steps along k by which rows of a weight are prefetched in advance.
const AHEAD: usize = 4;

/// Prefetches 32 numbers of a row from `column` on into the L1 cache, if they exist. Rows are too far apart for the
/// hardware prefetcher.
#[inline]
fn prefetch_row(matrix: &Matrix, row: usize, column: usize) {
    let place = row * matrix.columns + column;
    let (size, lines) = match matrix.kind {
        Kind::Float => (4, 2),
        Kind::BFloat16 => (2, 1),
    };
    let from = matrix.numbers.cast::<i8>().wrapping_add(place * size);
    for line in 0..lines {
        // SAFETY: a prefetch of any address is allowed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(64 * line)) };
    }
}

/// Loads 32 numbers of a row from `column` on in P parts, with zeros outside the matrix.
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
                debug_assert_ne!(P, FP32, "factors in fp32 are of numbers in fp32");
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

/// Splits 32 fp32 numbers into P parts.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(in crate::linear::tiles) fn split<const P: usize>(
    mut low: __m512,
    mut high: __m512,
) -> [__m512i; P] {
    let mut parts = [_mm512_setzero_si512(); P];
    if P == FP32 {
        parts[0] = _mm512_castps_si512(low);
        parts[1] = _mm512_castps_si512(high);
        return parts;
    }
    for (i, part) in parts.iter_mut().enumerate() {
        // SAFETY: both are 512 bits without a niche.
        *part = unsafe { transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) };
        if i + 1 < P {
            low = _mm512_sub_ps(low, wide(_mm512_castsi512_si256(*part)));
            high = _mm512_sub_ps(high, wide(_mm512_extracti64x4_epi64::<1>(*part)));
        }
    }
    parts
}

/// Converts bf16 numbers to fp32; they are its upper half.
#[inline]
#[target_feature(enable = "avx512f")]
pub(in crate::linear::tiles) fn wide(half: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)))
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(in crate::linear::tiles) unsafe fn store(tile: *mut u16, row: usize, numbers: __m512i) {
    // SAFETY: the caller promises a tile.
    unsafe { _mm512_storeu_si512(tile.add(row * STEP).cast(), numbers) }
}

/// Packs the strip of `x` that begins with `row`.
///
/// # Safety
/// The processor must have AVX-512 bf16, the matrix must be readable, and the packed strip writable.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(in crate::linear::tiles) unsafe fn strip<const P: usize>(x: &Matrix, row: usize, to: *mut u16) {
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

/// Packs one step of the panel of a weight that begins with output `first`.
///
/// # Safety
/// As for [`strip`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(in crate::linear::tiles) unsafe fn panel_step<const P: usize>(
    weight: &Matrix,
    layout: WeightLayout,
    first: usize,
    step: usize,
    to: *mut u16,
) {
    // SAFETY: as promised.
    unsafe {
        match layout {
            WeightLayout::OutIn => {
                for half in 0..2 {
                    for r in 0..ROWS {
                        let row = first + half * ROWS + r;
                        prefetch_row(weight, row, (step + AHEAD) * STEP);
                        let parts = line::<P>(weight, row, step * STEP);
                        for (p, numbers) in parts.into_iter().enumerate() {
                            store(to.add(place(P, 0, p, half)), r, numbers);
                        }
                    }
                    for p in 0..P {
                        turn(to.add(place(P, 0, p, half)));
                    }
                }
            }
            WeightLayout::InOut if P == FP32 => {
                for r in 0..STEP {
                    prefetch_row(weight, (step + 1) * STEP + r, first);
                    let halves = line::<P>(weight, step * STEP + r, first);
                    for half in 0..2 {
                        store(to.add(place(P, 0, r / ROWS, half)), r % ROWS, halves[half]);
                    }
                }
            }
            WeightLayout::InOut => {
                for r in 0..ROWS {
                    prefetch_row(weight, (step + 1) * STEP + 2 * r, first);
                    prefetch_row(weight, (step + 1) * STEP + 2 * r + 1, first);
                    let both = pairs::<P>(weight, step * STEP + 2 * r, first);
                    for p in 0..P {
                        for half in 0..2 {
                            store(to.add(place(P, 0, p, half)), r, both[p][half]);
                        }
                    }
                }
            }
        }
    }
}

/// Loads the pairs of a row and the next one, for two times 16 columns from `first` on, in P parts.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pairs<const P: usize>(matrix: &Matrix, row: usize, first: usize) -> [[__m512i; 2]; P] {
    const ORDER: [[u16; 32]; 2] = {
        let mut order = [[0; 32]; 2];
        let mut i = 0;
        while i < 32 {
            order[0][i] = (i / 2 + i % 2 * 32) as u16;
            order[1][i] = order[0][i] + 16;
            i += 1;
        }
        order
    };
    let mut pairs = [[_mm512_setzero_si512(); 2]; P];
    // SAFETY: as promised.
    unsafe {
        let (upper, lower) = (line::<P>(matrix, row, first), line::<P>(matrix, row + 1, first));
        for p in 0..P {
            for half in 0..2 {
                let order = _mm512_loadu_si512(ORDER[half].as_ptr().cast());
                pairs[p][half] = _mm512_permutex2var_epi16(upper[p], order, lower[p]);
            }
        }
    }
    pairs
}

/// Packs one step of a strip of the transposed matrix: the columns of the matrix from `first` on. Unless `sums` is
/// null, adds the sums of these columns to it; `sums` points to the sum of the matrix's first column.
///
/// # Safety
/// As for [`strip`]; there must be a sum for each column.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(in crate::linear::tiles) unsafe fn turned_step<const P: usize>(
    matrix: &Matrix,
    first: usize,
    step: usize,
    to: *mut u16,
    sums: *mut f32,
) {
    let mut added = [_mm512_setzero_ps(); 2];
    // SAFETY: as promised; both are 512 bits without a niche.
    unsafe {
        if P == FP32 {
            for r in 0..STEP {
                prefetch_row(matrix, (step + 1) * STEP + r, first);
                let halves = line::<P>(matrix, step * STEP + r, first);
                for half in 0..2 {
                    added[half] = _mm512_add_ps(added[half], _mm512_castsi512_ps(halves[half]));
                    store(to.add(place(P, 0, r / ROWS, half)), r % ROWS, halves[half]);
                }
            }
        } else {
            let ones = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(0x3f80_3f80));
            for r in 0..ROWS {
                prefetch_row(matrix, (step + 1) * STEP + 2 * r, first);
                prefetch_row(matrix, (step + 1) * STEP + 2 * r + 1, first);
                let both = pairs::<P>(matrix, step * STEP + 2 * r, first);
                for p in 0..P {
                    for half in 0..2 {
                        let pair = transmute::<__m512i, __m512bh>(both[p][half]);
                        added[half] = _mm512_dpbf16_ps(added[half], pair, ones);
                        store(to.add(place(P, 0, p, half)), r, both[p][half]);
                    }
                }
            }
        }
        for p in 0..P {
            for half in 0..2 {
                turn(to.add(place(P, 0, p, half)));
            }
        }
        if sums.is_null() {
            return;
        }
        for (half, added) in added.into_iter().enumerate() {
            let column = first + half * ROWS;
            if column < matrix.columns {
                let count = matrix.columns - column;
                let mask = if count >= ROWS { u16::MAX } else { (1 << count) - 1 };
                let sums = sums.add(column);
                let before = _mm512_maskz_loadu_ps(mask, sums);
                _mm512_mask_storeu_ps(sums, mask, _mm512_add_ps(before, added));
            }
        }
    }
}

/// Transposes a tile as 16 x 16 numbers of 32 bits.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn turn(tile: *mut u16) {
    // SAFETY: the feature is there; both vectors are 512 bits, which shuffles leave as they are. The caller promises a
    // tile.
    unsafe {
        let mut lines: [__m512; ROWS] =
            std::array::from_fn(|r| _mm512_loadu_ps(tile.add(r * STEP).cast()));
        Avx512::transpose(&mut lines);
        for (r, numbers) in lines.into_iter().enumerate() {
            store(tile, r, _mm512_castps_si512(numbers));
        }
    }
}
