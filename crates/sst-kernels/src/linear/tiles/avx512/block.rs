//! Writes the results of a block of sums, with AVX-512.

use std::arch::x86_64::*;
use std::mem::transmute;
use std::ops::Range;

use super::pack::{split, store, wide};
use crate::linear::FusedActivation;
use crate::linear::tiles::block::{BLOCK, Output, Sums};
use crate::linear::tiles::pack::{ROWS, place};
use crate::number::Kind;

impl Sums {
    /// Writes some rows and the first columns of the sums to `output`, which points to the first of these rows, and
    /// adds a bias to each column.
    ///
    /// # Safety
    /// The processor must have AVX-512 bf16, the sums must be computed, and the results writable.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub(in crate::linear::tiles) unsafe fn write(
        &self,
        bias: &[f32; BLOCK],
        output: Output,
        rows: Range<usize>,
        columns: usize,
    ) {
        // SAFETY: as promised.
        unsafe {
            for r in rows {
                output.prefetch_row::<_MM_HINT_ET0>(r + BLOCK);
                output.write(r, columns, self.line(bias, r));
            }
        }
    }

    /// Writes the results of [`Self::write`], and an activation of them.
    ///
    /// # Safety
    /// As for [`Self::write`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
    pub(in crate::linear::tiles) unsafe fn write_activated(
        &self,
        bias: &[f32; BLOCK],
        activation: FusedActivation,
        [before, after]: [Output; 2],
        rows: Range<usize>,
        columns: usize,
    ) {
        // SAFETY: as promised.
        unsafe {
            for r in rows {
                before.prefetch_row::<_MM_HINT_ET0>(r + BLOCK);
                after.prefetch_row::<_MM_HINT_ET0>(r + BLOCK);
                let [a, b] = self.line(bias, r);
                before.write(r, columns, [a, b]);
                after.write(r, columns, [activation.apply(a), activation.apply(b)]);
            }
        }
    }

    /// Writes the sums multiplied by the derivative of an activation at its input `before`.
    ///
    /// # Safety
    /// As for [`Self::write`]; `before` must be readable.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
    pub(in crate::linear::tiles) unsafe fn write_derivative(
        &self,
        activation: FusedActivation,
        before: Output,
        output: Output,
        rows: Range<usize>,
        columns: usize,
    ) {
        // SAFETY: as promised.
        unsafe {
            for r in rows {
                before.prefetch_row::<_MM_HINT_T0>(r + BLOCK);
                output.prefetch_row::<_MM_HINT_ET0>(r + BLOCK);
                let [a, b] = self.line(&[0.0; BLOCK], r);
                let [x, y] = before.read(r, columns);
                let [x, y] = [activation.derivative(x), activation.derivative(y)];
                output.write(r, columns, [_mm512_mul_ps(a, x), _mm512_mul_ps(b, y)]);
            }
        }
    }

    /// A row of the sums, with the bias added.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn line(&self, bias: &[f32; BLOCK], row: usize) -> [__m512; 2] {
        // SAFETY: 32 numbers each.
        unsafe {
            let line = self.numbers().add(row * BLOCK);
            let bias = bias.as_ptr();
            let a = _mm512_add_ps(_mm512_load_ps(line), _mm512_loadu_ps(bias));
            let b = _mm512_add_ps(_mm512_load_ps(line.add(16)), _mm512_loadu_ps(bias.add(16)));
            [a, b]
        }
    }
}

/// Applies the activation to some rows of the sums of a block, and writes them as a step of a packed strip, the left
/// factor of the next product.
///
/// # Safety
/// As for [`Sums::write`]; the tiles of a step must be writable.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
pub(in crate::linear::tiles) unsafe fn write_step<const P: usize>(
    sums: &Sums,
    bias: &[f32; BLOCK],
    activation: FusedActivation,
    to: *mut u16,
    rows: Range<usize>,
) {
    // SAFETY: as promised.
    unsafe {
        for r in rows {
            let [a, b] = sums.line(bias, r);
            for (p, numbers) in
                split::<P>(activation.apply(a), activation.apply(b)).into_iter().enumerate()
            {
                store(to.add(place(P, 0, p, r / ROWS)), r % ROWS, numbers);
            }
        }
    }
}

impl Output {
    /// Prefetches a row of the block, if it exists, into the L1 cache. The rows of the next strip, which is usually
    /// next, are too far apart for the hardware prefetcher.
    #[inline]
    fn prefetch_row<const HINT: i32>(self, row: usize) {
        let from = self.at(row, 0).numbers.cast::<i8>().cast_const();
        let lines = match self.kind {
            Kind::Float => 2,
            Kind::BFloat16 => 1,
        };
        for line in 0..lines {
            // SAFETY: a prefetch of any address is allowed.
            unsafe { _mm_prefetch::<HINT>(from.wrapping_add(64 * line)) };
        }
    }

    /// Multiplies a row of the first matrix by the derivatives of an activation at the same row of the second. The
    /// three matrices have one shape.
    ///
    /// # Safety
    /// As for [`Sums::write_derivative`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
    pub(in crate::linear::tiles) unsafe fn write_derivatives(
        self,
        activation: FusedActivation,
        [grad, before]: [Self; 2],
        row: usize,
    ) {
        for column in (0..self.stride).step_by(BLOCK) {
            let count = BLOCK.min(self.stride - column);
            // SAFETY: as promised.
            unsafe {
                let [x, y] = before.at(row, column).read(0, count);
                let [a, b] = grad.at(row, column).read(0, count);
                let (x, y) = (
                    _mm512_mul_ps(a, activation.derivative(x)),
                    _mm512_mul_ps(b, activation.derivative(y)),
                );
                self.at(row, column).write(0, count, [x, y]);
            }
        }
    }

    /// Writes the first columns of a row.
    ///
    /// # Safety
    /// They must be writable.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn write(self, row: usize, columns: usize, [a, b]: [__m512; 2]) {
        let mask = first(columns);
        // SAFETY: as promised; only the columns that there are get written.
        unsafe {
            match self.kind {
                Kind::Float => {
                    let to = self.numbers.cast::<f32>().add(row * self.stride);
                    _mm512_mask_storeu_ps(to, mask as u16, a);
                    _mm512_mask_storeu_ps(to.wrapping_add(16), (mask >> 16) as u16, b);
                }
                Kind::BFloat16 => {
                    let to = self.numbers.cast::<i16>().add(row * self.stride);
                    let both = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a));
                    _mm512_mask_storeu_epi16(to, mask, both);
                }
            }
        }
    }

    /// Reads the first columns of a row.
    ///
    /// # Safety
    /// They must be readable.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn read(self, row: usize, columns: usize) -> [__m512; 2] {
        let (mask, at) = (first(columns), row * self.stride);
        // SAFETY: as promised; only the columns that there are get read.
        unsafe {
            match self.kind {
                Kind::Float => {
                    let from = self.numbers.cast::<f32>().add(at);
                    let b = _mm512_maskz_loadu_ps((mask >> 16) as u16, from.wrapping_add(16));
                    [_mm512_maskz_loadu_ps(mask as u16, from), b]
                }
                Kind::BFloat16 => {
                    let both = _mm512_maskz_loadu_epi16(mask, self.numbers.cast::<i16>().add(at));
                    let b = wide(_mm512_extracti64x4_epi64::<1>(both));
                    [wide(_mm512_castsi512_si256(both)), b]
                }
            }
        }
    }
}

/// A mask with one bit for each of the first columns of a block.
#[inline]
fn first(columns: usize) -> u32 {
    if columns >= BLOCK { u32::MAX } else { (1 << columns) - 1 }
}
