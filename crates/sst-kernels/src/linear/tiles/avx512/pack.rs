//! Factors as tiles of AVX-512 and AMX: 16 rows of 64 bytes each, one after the other.
//!
//! A tile of the left factor is 16 rows of 32 numbers along k. One of the right factor is 16 pairs along k of 16
//! columns: each row holds, column by column, the two numbers of a pair (Intel, "Architecture Instruction Set
//! Extensions", `TDPBF16PS`).
//!
//! With P = 1 numbers are in bf16. With P = 2 they stay in fp32, those of a step in two parts of sixteen, one after the
//! other along k; then a tile holds 16 x 16 numbers. With P = 3 a number is laid out as the sum of three in bf16: itself
//! rounded, what that leaves, rounded, and what this leaves. With 8 bits each they hold all its 24 (Henry, Tang and
//! Heinecke 2019, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations").
#![allow(clippy::needless_range_loop, reason = "a number is a place in several arrays")]

use std::arch::x86_64::*;
use std::mem::transmute;

use crate::linear::WeightLayout;
use crate::linear::tiles::block::BLOCK;
use crate::linear::tiles::pack::{FP32, Matrix, ROWS, STEP, place};
use crate::number::Kind;
use crate::simd::{Avx512, Simd};

/// Steps along k that rows of a weight are brought near before.
const AHEAD: usize = 4;

/// Brings 32 numbers of a row from `column` on to the first cache, if they are there: rows are too far apart for the
/// processor to see them coming.
#[inline]
fn bring(matrix: &Matrix, row: usize, column: usize) {
    let place = row * matrix.columns + column;
    let (size, lines) = match matrix.kind {
        Kind::Float => (4, 2),
        Kind::BFloat16 => (2, 1),
    };
    let from = matrix.numbers.cast::<i8>().wrapping_add(place * size);
    for line in 0..lines {
        // SAFETY: any place may be asked for.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(64 * line)) };
    }
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

/// 32 fp32 numbers in P parts.
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

/// bf16 numbers in fp32, whose upper half they are.
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

/// Lays out the strip of `x` that begins with `row`.
///
/// # Safety
/// The processor must have AVX-512 bf16, the matrix its numbers, and there be room for a packed strip.
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

/// Lays out one step of the panel of a weight that begins with output `first`.
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
                        bring(weight, row, (step + AHEAD) * STEP);
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
                    bring(weight, (step + 1) * STEP + r, first);
                    let halves = line::<P>(weight, step * STEP + r, first);
                    for half in 0..2 {
                        store(to.add(place(P, 0, r / ROWS, half)), r % ROWS, halves[half]);
                    }
                }
            }
            WeightLayout::InOut => {
                for r in 0..ROWS {
                    bring(weight, (step + 1) * STEP + 2 * r, first);
                    bring(weight, (step + 1) * STEP + 2 * r + 1, first);
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

/// The pairs of a row and the next, of two times 16 columns from `first` on, in P parts.
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

/// Lays out one step of a strip of the transpose of a matrix: its columns from `first` on. Adds these columns' sums to
/// `sums`, where that of the first column of all is, unless it is null.
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
                bring(matrix, (step + 1) * STEP + r, first);
                let halves = line::<P>(matrix, step * STEP + r, first);
                for half in 0..2 {
                    added[half] = _mm512_add_ps(added[half], _mm512_castsi512_ps(halves[half]));
                    store(to.add(place(P, 0, r / ROWS, half)), r % ROWS, halves[half]);
                }
            }
        } else {
            let ones = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(0x3f80_3f80));
            for r in 0..ROWS {
                bring(matrix, (step + 1) * STEP + 2 * r, first);
                bring(matrix, (step + 1) * STEP + 2 * r + 1, first);
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

/// Makes of a tile, as 16 x 16 numbers of 32 bits, its transpose.
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
