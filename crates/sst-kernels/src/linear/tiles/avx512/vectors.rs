//! Computes 32 x 32 results with AVX-512, eight rows at a time. An instruction multiplies one number of a row (in
//! bf16 a pair) with one row of the weight.

use std::arch::x86_64::*;
use std::mem::transmute;

use crate::linear::tiles::block::{BLOCK, Sums};
use crate::linear::tiles::pack::{ROWS, STEP, Strip, TILE};

/// The number of rows whose sums stay in registers. With two vectors each, there are enough independent sums to hide
/// the latency of an addition.
const HEIGHT: usize = 8;

/// Adds the products of the rows of a strip and of a panel, in fp32 or bf16, to `start`. `count` is the number of
/// fp32 numbers or bf16 pairs along k, and `step` the number of bytes between tiles of the strip.
///
/// # Safety
/// The processor must have AVX-512 bf16, both factors and `start` must be readable, and `sums` writable.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(in crate::linear::tiles) unsafe fn multiply<const IS_FP32: bool>(
    strip: Strip,
    panel: *const u16,
    (count, step): (usize, usize),
    start: *const Sums,
    sums: *mut Sums,
) {
    let (start, sums) = (start.cast::<f32>(), sums.cast::<f32>());
    for row in (0..strip.rows).step_by(HEIGHT) {
        let half = if row < ROWS { strip.upper() } else { strip.lower() };
        let left = half.wrapping_byte_add(row % ROWS * strip.row).cast::<i32>();
        // SAFETY: as promised; sums are 32 rows of 32 numbers, tiles 16 rows of 32.
        unsafe {
            let mut all = [[_mm512_setzero_ps(); 2]; HEIGHT];
            for (r, both) in all.iter_mut().enumerate() {
                if start.is_null() {
                    *both = [_mm512_setzero_ps(); 2];
                } else {
                    let line = start.add((row + r) * BLOCK);
                    *both = [_mm512_load_ps(line), _mm512_load_ps(line.add(16))];
                }
            }
            let (tiles, rest) = (count / ROWS, count % ROWS);
            for tile in 0..tiles {
                let (left, panel) = (left.byte_add(tile * step), panel.add(tile * 2 * TILE));
                for at in 0..ROWS {
                    add_all::<IS_FP32>(&mut all, left.add(at), strip.row, panel.add(at * STEP));
                }
            }
            let (left, panel) = (left.byte_add(tiles * step), panel.add(tiles * 2 * TILE));
            for at in 0..rest {
                add_all::<IS_FP32>(&mut all, left.add(at), strip.row, panel.add(at * STEP));
            }
            for (r, [left, right]) in all.into_iter().enumerate() {
                let line = sums.add((row + r) * BLOCK);
                _mm512_store_ps(line, left);
                _mm512_store_ps(line.add(16), right);
            }
        }
    }
}

/// Multiplies one number, or one pair, of each row with a row of two tiles and adds the products to the sums.
///
/// # Safety
/// All of them must be readable.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn add_all<const IS_FP32: bool>(
    all: &mut [[__m512; 2]; HEIGHT],
    left: *const i32,
    stride: usize,
    line: *const u16,
) {
    // SAFETY: as promised.
    unsafe {
        let right = [_mm512_load_si512(line.cast()), _mm512_load_si512(line.add(TILE).cast())];
        for (r, both) in all.iter_mut().enumerate() {
            // The address of a bf16 pair need not be a multiple of four.
            let numbers = _mm512_set1_epi32(left.byte_add(r * stride).read_unaligned());
            for (sum, right) in both.iter_mut().zip(right) {
                *sum = add::<IS_FP32>(*sum, numbers, right);
            }
        }
    }
}

/// Multiplies sixteen numbers, or sixteen bf16 pairs, and adds the products to `sum`.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn add<const IS_FP32: bool>(sum: __m512, left: __m512i, right: __m512i) -> __m512 {
    if IS_FP32 {
        return _mm512_fmadd_ps(_mm512_castsi512_ps(left), _mm512_castsi512_ps(right), sum);
    }
    // SAFETY: both are 512 bits without a niche.
    let pair = |x| unsafe { transmute::<__m512i, __m512bh>(x) };
    _mm512_dpbf16_ps(sum, pair(left), pair(right))
}
