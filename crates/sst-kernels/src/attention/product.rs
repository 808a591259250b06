//! Small matrix products.

use crate::simd::Simd;

/// The number of vectors in a row of a tile.
const WIDTH: usize = 2;
/// The number of rows of a tile. With two vectors each, they fit the registers of AVX2 and leave some for `b`.
const HEIGHT: usize = 6;

/// The left matrix of a product, with the distances between its rows and between its columns in numbers.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub(super) data: *const f32,
    pub(super) row: usize,
    pub(super) column: usize,
}

/// `c = a b`, or `c += a b` if `add`: `a` is `m x k`, `b` is `k x n` with rows `b_row` apart, `c` is `m x n` with
/// rows `c_row` apart. `n` is a multiple of 16.
///
/// # Safety
/// The pointers must be valid for these sizes, and the processor must have the features that `S` needs.
#[inline(always)]
pub(super) unsafe fn product<S: Simd>(
    [m, n, k]: [usize; 3],
    a: Left,
    (b, b_row): (*const f32, usize),
    (c, c_row): (*mut f32, usize),
    add: bool,
) {
    let wide = WIDTH * S::LANES;
    let mut row = 0;
    while row < m {
        let height = (m - row).min(HEIGHT);
        let mut column = 0;
        while column < n {
            // SAFETY: all three stay inside the sizes that the caller promises.
            unsafe {
                let a = Left { data: a.data.add(row * a.row), ..a };
                let (b, c) = ((b.add(column), b_row), (c.add(row * c_row + column), c_row));
                if n - column >= wide {
                    strip::<S, WIDTH>(height, k, a, b, c, add);
                    column += wide;
                } else {
                    strip::<S, 1>(height, k, a, b, c, add);
                    column += S::LANES;
                }
            }
        }
        row += height;
    }
}

/// Calls the tile function for the number of remaining rows.
#[inline(always)]
unsafe fn strip<S: Simd, const W: usize>(
    height: usize,
    k: usize,
    a: Left,
    b: (*const f32, usize),
    c: (*mut f32, usize),
    add: bool,
) {
    // SAFETY: passed on.
    unsafe {
        match height {
            6 => tile::<S, 6, W>(k, a, b, c, add),
            5 => tile::<S, 5, W>(k, a, b, c, add),
            4 => tile::<S, 4, W>(k, a, b, c, add),
            3 => tile::<S, 3, W>(k, a, b, c, add),
            2 => tile::<S, 2, W>(k, a, b, c, add),
            _ => tile::<S, 1, W>(k, a, b, c, add),
        }
    }
}

/// Computes one tile, held in registers during the loop over `k`.
#[inline(always)]
unsafe fn tile<S: Simd, const H: usize, const W: usize>(
    k: usize,
    a: Left,
    (b, b_row): (*const f32, usize),
    (c, c_row): (*mut f32, usize),
    add: bool,
) {
    // SAFETY: the caller promises the sizes.
    unsafe {
        let mut sums = [[S::splat(0.0); W]; H];
        if add {
            for (i, sums) in sums.iter_mut().enumerate() {
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(c.add(i * c_row + j * S::LANES));
                }
            }
        }
        for p in 0..k {
            let row = b.add(p * b_row);
            let mut right = [S::splat(0.0); W];
            for (j, right) in right.iter_mut().enumerate() {
                *right = S::load(row.add(j * S::LANES));
            }
            let left = a.data.add(p * a.column);
            for (i, sums) in sums.iter_mut().enumerate() {
                let left = S::splat(*left.add(i * a.row));
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = S::fma(left, right, *sum);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                S::store(c.add(i * c_row + j * S::LANES), *sum);
            }
        }
    }
}
