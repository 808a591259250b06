//! 32 x 32 results by AVX-512, eight rows at a time: two numbers of a row meet a pair of rows of the weight.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::block::{BLOCK, Sums};
use super::pack::{ROWS, STEP, TILE};

/// Rows whose sums stay in registers: two of each, and so many that one need not wait for the last.
const HEIGHT: usize = 8;

/// `start`, and the products of some steps of a packed strip and of a panel of bf16 numbers.
///
/// # Safety
/// The processor must have AVX-512 bf16, both be there, `start` be computed, and `sums` be writable.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn multiply(
    strip: *const u16,
    panel: *const u16,
    steps: usize,
    start: *const Sums,
    sums: *mut Sums,
) {
    let (start, sums) = (start.cast::<f32>(), sums.cast::<f32>());
    for row in (0..BLOCK).step_by(HEIGHT) {
        let left = strip.wrapping_add(row / ROWS * TILE + row % ROWS * STEP).cast::<i32>();
        // SAFETY: as promised; sums are 32 rows of 32 numbers, tiles 16 rows of 32.
        unsafe {
            let mut all = [[_mm512_setzero_ps(); 2]; HEIGHT];
            for (r, both) in all.iter_mut().enumerate() {
                let line = start.add((row + r) * BLOCK);
                *both = [_mm512_load_ps(line), _mm512_load_ps(line.add(16))];
            }
            for step in 0..steps {
                let left = left.add(step * TILE);
                let panel = panel.add(step * 2 * TILE);
                for pair in 0..STEP / 2 {
                    let right = [panel, panel.add(TILE)].map(|tile| {
                        transmute::<__m512i, __m512bh>(_mm512_load_si512(
                            tile.add(pair * STEP).cast(),
                        ))
                    });
                    for (r, both) in all.iter_mut().enumerate() {
                        let numbers = *left.add(r * STEP / 2 + pair);
                        let numbers = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(numbers));
                        for (sum, right) in both.iter_mut().zip(right) {
                            *sum = _mm512_dpbf16_ps(*sum, numbers, right);
                        }
                    }
                }
            }
            for (r, [left, right]) in all.into_iter().enumerate() {
                let line = sums.add((row + r) * BLOCK);
                _mm512_store_ps(line, left);
                _mm512_store_ps(line.add(16), right);
            }
        }
    }
}
