//! Copies tokens into the buffers of a task, and out of them.

use std::ffi::c_void;

use super::problem::Source;
use crate::number::{Kind, number, put_number};
use crate::simd::{MOST_LANES, Simd};

/// Loads columns `column..column + e` of `count` tokens from token `first` on, multiplied by `scale`, into rows that
/// are `to_row` numbers apart.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(
    from: Source,
    kind: Kind,
    (first, count): (usize, usize),
    column: usize,
    e: usize,
    (to, to_row): (*mut f32, usize),
    scale: f32,
) {
    let whole = e - e % S::LANES;
    for i in 0..count {
        let at = (first + i) * from.stride + column;
        // SAFETY: the caller promises the sizes.
        unsafe {
            let to = to.add(i * to_row);
            for c in (0..whole).step_by(S::LANES) {
                let x = S::load_kind(from.data, kind, at + c);
                S::store(to.add(c), S::mul(x, S::splat(scale)));
            }
            for c in whole..e {
                *to.add(c) = number(from.data, kind, at + c) * scale;
            }
        }
    }
}

/// Loads tokens as [`load`] does, as columns instead of rows. The content of columns from `count` on is unspecified.
#[inline(always)]
pub(super) unsafe fn load_transposed<S: Simd>(
    from: Source,
    kind: Kind,
    (first, count): (usize, usize),
    column: usize,
    e: usize,
    (to, to_row): (*mut f32, usize),
) {
    let whole = e - e % S::LANES;
    // SAFETY: the caller promises the sizes; rows are a whole number of vectors.
    unsafe {
        for token in (0..count).step_by(S::LANES) {
            let tokens = S::LANES.min(count - token);
            let at = |i: usize| (first + token + i) * from.stride + column;
            for c in (0..whole).step_by(S::LANES) {
                let mut lines = [S::splat(0.0); MOST_LANES];
                for (i, line) in lines.iter_mut().enumerate().take(tokens) {
                    *line = S::load_kind(from.data, kind, at(i) + c);
                }
                S::transpose(&mut lines);
                for (i, line) in lines.iter().enumerate().take(S::LANES) {
                    S::store(to.add((c + i) * to_row + token), *line);
                }
            }
            for c in whole..e {
                for i in 0..tokens {
                    *to.add(c * to_row + token + i) = number(from.data, kind, at(i) + c);
                }
            }
        }
    }
}

/// Writes `e` numbers, multiplied by `scale`, at index `at`. bf16 numbers are rounded to the nearest even.
#[inline(always)]
pub(super) unsafe fn store<S: Simd>(
    to: *mut c_void,
    kind: Kind,
    at: usize,
    e: usize,
    from: *const f32,
    scale: f32,
) {
    let whole = e - e % S::LANES;
    // SAFETY: the caller promises the sizes.
    unsafe {
        for c in (0..whole).step_by(S::LANES) {
            let x = S::mul(S::load(from.add(c)), S::splat(scale));
            S::store_kind(to, kind, at + c, x);
        }
        for c in whole..e {
            put_number(to, kind, at + c, *from.add(c) * scale);
        }
    }
}

/// Prefetches tokens that will be loaded soon.
#[inline(always)]
pub(super) unsafe fn prefetch<S: Simd>(
    from: Source,
    kind: Kind,
    (first, count): (usize, usize),
    column: usize,
    e: usize,
) {
    /// Bytes of a cache line.
    const LINE: usize = 64;
    let size = if kind == Kind::Float { 4 } else { 2 };
    for i in first..first + count {
        let start = from.data.wrapping_byte_add((i * from.stride + column) * size);
        for at in (0..e * size).step_by(LINE) {
            // SAFETY: an address outside memory does nothing.
            unsafe { S::prefetch(start.wrapping_byte_add(at).cast()) };
        }
    }
}
