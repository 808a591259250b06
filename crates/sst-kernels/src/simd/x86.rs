//! Vectors of AVX-512, and of AVX2 with FMA.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::{MOST_LANES, Simd};
use crate::random::LineDropout;

/// AVX-512F, with or without bf16 instructions.
pub(crate) struct Wide<const HAS_BF16: bool>;
/// AVX-512F.
pub(crate) type Avx512 = Wide<false>;
/// AVX-512F with bf16.
pub(super) type Avx512Bf16 = Wide<true>;
/// AVX2 and FMA.
pub(crate) struct Avx2;

// SAFETY: the caller has made sure of AVX-512F, and of bf16 where it is there.
unsafe impl<const HAS_BF16: bool> Simd for Wide<HAS_BF16> {
    const LANES: usize = 16;
    type V = __m512;
    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn prefetch_to_write(at: *const f32) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m512) {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn copysign(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as promised for the trait; every level with AVX-512 has DQ.
        unsafe {
            let sign = _mm512_set1_ps(-0.0);
            _mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, b))
        }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn round(x: __m512) -> __m512 {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT }>(x) }
    }
    #[inline(always)]
    unsafe fn scale(x: __m512, n: __m512) -> __m512 {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_scalef_ps(x, n) }
    }
    #[inline(always)]
    unsafe fn sum(x: __m512) -> f32 {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_reduce_add_ps(x) }
    }
    #[inline(always)]
    unsafe fn largest(x: __m512) -> f32 {
        // SAFETY: as promised for the trait.
        unsafe { _mm512_reduce_max_ps(x) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m512 {
        // SAFETY: as promised for the trait; bf16 is the upper half of an fp32 number.
        unsafe {
            let numbers = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(numbers))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, x: __m512) {
        // SAFETY: as promised for the trait. As `number::bf16` does it, but that the instruction makes zeros of numbers
        // below 1e-38.
        unsafe {
            if HAS_BF16 {
                let halves = transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(x));
                return _mm256_storeu_si256(to.cast(), halves);
            }
            let bits = _mm512_castps_si512(x);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let more = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
            let rounded = _mm512_add_epi32(bits, more);
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x);
            let quiet = _mm512_set1_epi32(0x40_0000);
            let rounded = _mm512_mask_or_epi32(rounded, nan, bits, quiet);
            let halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded));
            _mm256_storeu_si256(to.cast(), halves);
        }
    }
    #[inline(always)]
    unsafe fn dropout(line: LineDropout, at: usize) -> __m512 {
        const LANES: [i32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        // SAFETY: as promised for the trait. As `LineDropout::factor` does it.
        unsafe {
            let lanes = _mm512_loadu_si512(LANES.as_ptr().cast());
            let places = _mm512_add_epi32(_mm512_set1_epi32(at as i32), lanes);
            let apart = _mm512_set1_epi32(LineDropout::APART.cast_signed());
            let start = _mm512_set1_epi32(line.start.cast_signed());
            let x = _mm512_xor_si512(start, _mm512_mullo_epi32(places, apart));
            let is_kept = Self::is_kept(x, line.threshold);
            _mm512_maskz_mov_ps(is_kept, _mm512_set1_ps(line.keep_scale))
        }
    }
    #[inline(always)]
    unsafe fn transpose(lines: &mut [__m512; MOST_LANES]) {
        // SAFETY: as promised for the trait.
        unsafe { transpose(lines) }
    }
}

impl<const HAS_BF16: bool> Wide<HAS_BF16> {
    /// Mixes the draws and compares them with the threshold; the rest of `LineDropout::factor`.
    #[inline(always)]
    pub(crate) fn is_kept(x: __m512i, threshold: u32) -> __mmask16 {
        const SHIFTS: [u32; 3] = LineDropout::SHIFTS;
        let [f, g] = LineDropout::FACTORS.map(u32::cast_signed);
        // SAFETY: whoever has such a vector has AVX-512F.
        unsafe {
            let x = _mm512_xor_si512(x, _mm512_srli_epi32::<{ SHIFTS[0] }>(x));
            let x = _mm512_mullo_epi32(x, _mm512_set1_epi32(f));
            let x = _mm512_xor_si512(x, _mm512_srli_epi32::<{ SHIFTS[1] }>(x));
            let x = _mm512_mullo_epi32(x, _mm512_set1_epi32(g));
            let x = _mm512_xor_si512(x, _mm512_srli_epi32::<{ SHIFTS[2] }>(x));
            _mm512_cmpge_epu32_mask(x, _mm512_set1_epi32(threshold.cast_signed()))
        }
    }
}

/// Transposes within pairs of lines, then within groups of 4, 8 and 16.
#[inline(always)]
unsafe fn transpose(lines: &mut [__m512; MOST_LANES]) {
    // SAFETY: the caller has made sure of AVX-512F.
    unsafe {
        let l = *lines;
        let mut a = l;
        for i in (0..16).step_by(2) {
            a[i] = _mm512_unpacklo_ps(l[i], l[i + 1]);
            a[i + 1] = _mm512_unpackhi_ps(l[i], l[i + 1]);
        }
        let mut b = a;
        for i in (0..16).step_by(4) {
            b[i] = _mm512_shuffle_ps::<0x44>(a[i], a[i + 2]);
            b[i + 1] = _mm512_shuffle_ps::<0xee>(a[i], a[i + 2]);
            b[i + 2] = _mm512_shuffle_ps::<0x44>(a[i + 1], a[i + 3]);
            b[i + 3] = _mm512_shuffle_ps::<0xee>(a[i + 1], a[i + 3]);
        }
        // Lane j (128 bits) of b[4 q + c] holds column 4 j + c of lines 4 q to 4 q + 3.
        for c in 0..4 {
            let [q0, q1, q2, q3] = [b[c], b[4 + c], b[8 + c], b[12 + c]];
            let even01 = _mm512_shuffle_f32x4::<0x88>(q0, q1);
            let odd01 = _mm512_shuffle_f32x4::<0xdd>(q0, q1);
            let even23 = _mm512_shuffle_f32x4::<0x88>(q2, q3);
            let odd23 = _mm512_shuffle_f32x4::<0xdd>(q2, q3);
            lines[c] = _mm512_shuffle_f32x4::<0x88>(even01, even23);
            lines[4 + c] = _mm512_shuffle_f32x4::<0x88>(odd01, odd23);
            lines[8 + c] = _mm512_shuffle_f32x4::<0xdd>(even01, even23);
            lines[12 + c] = _mm512_shuffle_f32x4::<0xdd>(odd01, odd23);
        }
    }
}

// SAFETY: the caller has made sure of AVX2 and FMA.
unsafe impl Simd for Avx2 {
    const LANES: usize = 8;
    type V = __m256;
    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn prefetch_to_write(at: *const f32) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        // SAFETY: as promised for the trait.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: as promised for the trait.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m256) {
        // SAFETY: as promised for the trait.
        unsafe { _mm256_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as promised for the trait.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as promised for the trait.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as promised for the trait.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn copysign(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as promised for the trait.
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b))
        }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as promised for the trait.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as promised for the trait.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: as promised for the trait.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn round(x: __m256) -> __m256 {
        // SAFETY: as promised for the trait.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }
    #[inline(always)]
    unsafe fn scale(x: __m256, n: __m256) -> __m256 {
        // SAFETY: as promised for the trait.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }
    #[inline(always)]
    unsafe fn sum(x: __m256) -> f32 {
        // SAFETY: as promised for the trait. In the order of `fold`: the upper half onto the lower one each time.
        unsafe {
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
        }
    }
    #[inline(always)]
    unsafe fn largest(x: __m256) -> f32 {
        // SAFETY: as promised for the trait.
        unsafe {
            let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)))
        }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m256 {
        // SAFETY: as promised for the trait; bf16 is the upper half of an fp32 number.
        unsafe {
            let numbers = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(numbers))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, x: __m256) {
        // SAFETY: as promised for the trait. As `number::bf16` does it.
        unsafe {
            let bits = _mm256_castps_si256(x);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let more = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let rounded = _mm256_castsi256_ps(_mm256_add_epi32(bits, more));
            let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
            let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x);
            let rounded = _mm256_blendv_ps(rounded, _mm256_castsi256_ps(quiet), nan);
            let halves = _mm256_srli_epi32::<16>(_mm256_castps_si256(rounded));
            let (low, high) =
                (_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
            _mm_storeu_si128(to.cast(), _mm_packus_epi32(low, high));
        }
    }
    #[inline(always)]
    unsafe fn dropout(line: LineDropout, at: usize) -> __m256 {
        const SHIFTS: [u32; 3] = LineDropout::SHIFTS;
        let [f, g] = LineDropout::FACTORS.map(u32::cast_signed);
        // SAFETY: as promised for the trait. As `LineDropout::factor` does it.
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let places = _mm256_add_epi32(_mm256_set1_epi32(at as i32), lanes);
            let apart = _mm256_set1_epi32(LineDropout::APART.cast_signed());
            let start = _mm256_set1_epi32(line.start.cast_signed());
            let x = _mm256_xor_si256(start, _mm256_mullo_epi32(places, apart));
            let x = _mm256_xor_si256(x, _mm256_srli_epi32::<{ SHIFTS[0].cast_signed() }>(x));
            let x = _mm256_mullo_epi32(x, _mm256_set1_epi32(f));
            let x = _mm256_xor_si256(x, _mm256_srli_epi32::<{ SHIFTS[1].cast_signed() }>(x));
            let x = _mm256_mullo_epi32(x, _mm256_set1_epi32(g));
            let x = _mm256_xor_si256(x, _mm256_srli_epi32::<{ SHIFTS[2].cast_signed() }>(x));
            // An unsigned comparison: the draw is at least the threshold if it is the larger of the two.
            let threshold = _mm256_set1_epi32(line.threshold.cast_signed());
            let is_kept = _mm256_cmpeq_epi32(_mm256_max_epu32(x, threshold), x);
            _mm256_and_ps(_mm256_castsi256_ps(is_kept), _mm256_set1_ps(line.keep_scale))
        }
    }
    #[inline(always)]
    unsafe fn transpose(lines: &mut [__m256; MOST_LANES]) {
        // SAFETY: as promised for the trait. Within pairs of lines, then of twos and fours.
        unsafe {
            let l = *lines;
            let mut a = [_mm256_setzero_ps(); 8];
            for i in (0..8).step_by(2) {
                a[i] = _mm256_unpacklo_ps(l[i], l[i + 1]);
                a[i + 1] = _mm256_unpackhi_ps(l[i], l[i + 1]);
            }
            let mut b = a;
            for i in (0..8).step_by(4) {
                b[i] = _mm256_shuffle_ps::<0x44>(a[i], a[i + 2]);
                b[i + 1] = _mm256_shuffle_ps::<0xee>(a[i], a[i + 2]);
                b[i + 2] = _mm256_shuffle_ps::<0x44>(a[i + 1], a[i + 3]);
                b[i + 3] = _mm256_shuffle_ps::<0xee>(a[i + 1], a[i + 3]);
            }
            for i in 0..4 {
                lines[i] = _mm256_permute2f128_ps::<0x20>(b[i], b[i + 4]);
                lines[i + 4] = _mm256_permute2f128_ps::<0x31>(b[i], b[i + 4]);
            }
        }
    }
}
