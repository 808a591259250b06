//! Matrix products that read the left factor in place.

use std::arch::x86_64::*;
use std::ffi::c_void;
use std::mem::transmute;

use super::LANES;

/// The left factor of a product. `row` and `pair` are distances in bytes, from one row to the next and from one pair
/// of a row to the next.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub(super) data: *const c_void,
    pub(super) row: usize,
    pub(super) pair: usize,
}

/// The number of rows whose sums stay in registers, with up to three vectors each.
const HEIGHT: usize = 8;
/// The number of rows if there is one vector of each: enough independent sums to hide the latency of an addition.
const TALL: usize = 16;

/// Multiplies one to three vectors of columns, and calls `done` with the sums of each row. The rows of pairs of the
/// right factor are a fixed distance apart.
///
/// # Safety
/// The processor must have AVX-512 bf16, and the numbers must be readable.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn product(
    left: Left,
    right: (*const i32, usize),
    [count, vectors, pairs]: [usize; 3],
    done: impl Fn(usize, &[__m512]),
) {
    // SAFETY: passed on.
    unsafe {
        match vectors {
            1 if count >= TALL => rows::<TALL, 1>(left, count, right, pairs, done),
            1 => rows::<HEIGHT, 1>(left, count, right, pairs, done),
            2 => rows::<HEIGHT, 2>(left, count, right, pairs, done),
            _ => rows::<HEIGHT, 3>(left, count, right, pairs, done),
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn rows<const H: usize, const W: usize>(
    left: Left,
    count: usize,
    right: (*const i32, usize),
    pairs: usize,
    done: impl Fn(usize, &[__m512]),
) {
    let at = |row: usize| Left { data: left.data.wrapping_byte_add(row * left.row), ..left };
    // SAFETY: passed on.
    unsafe {
        if count < H {
            for row in 0..count {
                done(row, &tile::<1, W>(at(row), right, pairs)[0]);
            }
            return;
        }
        for first in (0..count).step_by(H) {
            // The last tile begins earlier and repeats rows, instead of having fewer rows.
            let row = first.min(count - H);
            for (i, sums) in tile::<H, W>(at(row), right, pairs).iter().enumerate() {
                if row + i >= first {
                    done(row + i, sums);
                }
            }
        }
    }
}

/// Computes the sums of some rows, held in registers during the loop over pairs.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn tile<const H: usize, const W: usize>(
    left: Left,
    (right, stride): (*const i32, usize),
    pairs: usize,
) -> [[__m512; W]; H] {
    // SAFETY: the caller promises the numbers; both types are 512 bits without a niche.
    unsafe {
        let as_pairs = |x| transmute::<__m512i, __m512bh>(x);
        let mut sums = [[_mm512_setzero_ps(); W]; H];
        for pair in 0..pairs {
            let line = right.add(pair * stride);
            let mut columns = [_mm512_setzero_si512(); W];
            for (i, column) in columns.iter_mut().enumerate() {
                *column = _mm512_loadu_si512(line.add(i * LANES).cast());
            }
            let first = left.data.wrapping_byte_add(pair * left.pair);
            for (row, sums) in sums.iter_mut().enumerate() {
                // The address of a bf16 pair need not be a multiple of four.
                let number = first.wrapping_byte_add(row * left.row).cast::<i32>();
                let number = as_pairs(_mm512_set1_epi32(number.read_unaligned()));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = _mm512_dpbf16_ps(*sum, number, as_pairs(column));
                }
            }
        }
        sums
    }
}
