//! Dropout for sixteen queries, one in each lane.

use std::arch::x86_64::*;

use super::LANES;
use crate::random::{Dropout, LineDropout};
use crate::simd::Avx512;

/// The dropout of sixteen lines, one in each lane.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    starts: [u32; LANES],
    threshold: u32,
    keep_scale: f32,
}

impl Lines {
    /// The dropout of `count` queries of a head and row from query `first` on. Unused lanes repeat the last query.
    pub(super) fn new(dropout: Dropout, [row, head, first]: [usize; 3], count: usize) -> Self {
        let line = |i: usize| dropout.line([row, head, first + i.min(count - 1)]);
        let lines: [LineDropout; LANES] = std::array::from_fn(line);
        let [LineDropout { threshold, keep_scale, .. }, ..] = lines;
        Self { starts: lines.map(|line| line.start), threshold, keep_scale }
    }

    /// The factors by which dropout multiplies the numbers at index `at` of each line, as in [`LineDropout::factor`].
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn factors(&self, at: usize) -> __m512 {
        // SAFETY: sixteen numbers.
        let starts = unsafe { _mm512_loadu_si512(self.starts.as_ptr().cast()) };
        let place = (at as u32).wrapping_mul(LineDropout::APART).cast_signed();
        let is_kept =
            Avx512::is_kept(_mm512_xor_si512(starts, _mm512_set1_epi32(place)), self.threshold);
        _mm512_maskz_mov_ps(is_kept, _mm512_set1_ps(self.keep_scale))
    }
}
