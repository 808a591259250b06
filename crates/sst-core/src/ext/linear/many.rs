//! Many rows: a block of the weight is laid out so that it is read in order, and stays in the cache while all rows go
//! by (Goto and van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication").

use super::{Layout, Problem};
use crate::ext::number::Level;
use crate::ext::simd::{Simd, SimdBody};

/// Outputs of a panel of the weight: two vectors of AVX-512.
const WIDTH: usize = 32;
/// Rows of a tile: with two vectors each they fill the registers of AVX-512, and leave some.
const HEIGHT: usize = 14;
/// Inputs that are added up at once: a tile's rows of so many stay in the first cache.
const INPUTS: usize = 512;
/// Panels that stay in the second cache while the rows of a chunk go by.
const PANELS: usize = 8;
/// Rows of a chunk, one thread's piece of work.
const ROWS: usize = 8 * HEIGHT;

/// Numbers of the weight as it is laid out: panels of [`WIDTH`] outputs, each input by input; outputs that there are
/// none of are zero.
pub(super) fn packed_len(problem: &Problem) -> usize {
    panels(problem) * WIDTH * problem.input
}

/// The number of panels.
pub(super) fn panels(problem: &Problem) -> usize {
    problem.output.div_ceil(WIDTH)
}

/// The number of chunks of rows.
pub(super) fn chunks(problem: &Problem) -> usize {
    problem.rows.div_ceil(ROWS)
}

/// Lays out one panel.
///
/// # Safety
/// The pointers must be valid for the sizes, and no other thread lay out the same panel.
pub(super) unsafe fn pack(problem: &Problem, packed: *mut f32, panel: usize) {
    let Problem { weight, input, output, layout, .. } = *problem;
    let first = panel * WIDTH;
    let count = WIDTH.min(output - first);
    // SAFETY: all stays within the weight and the panel.
    unsafe {
        let panel = std::slice::from_raw_parts_mut(packed.add(first * input), WIDTH * input);
        match layout {
            Layout::InOut => {
                for (i, line) in panel.chunks_exact_mut(WIDTH).enumerate() {
                    let from = std::slice::from_raw_parts(weight.add(i * output + first), count);
                    line[..count].copy_from_slice(from);
                    line[count..].fill(0.0);
                }
            }
            Layout::OutIn => {
                let row =
                    |o: usize| std::slice::from_raw_parts(weight.add((first + o) * input), input);
                // A few rows at a time, so that neither side jumps about in memory.
                for o in 0..count {
                    for (line, number) in panel.chunks_exact_mut(WIDTH).zip(row(o)) {
                        line[o] = *number;
                    }
                }
                for line in panel.chunks_exact_mut(WIDTH) {
                    line[count..].fill(0.0);
                }
            }
        }
    }
}

/// Computes one chunk of rows.
///
/// # Safety
/// As for [`pack`]; all panels must be laid out, and the level be this processor's.
pub(super) unsafe fn run(level: Level, problem: &Problem, packed: *const f32, chunk: usize) {
    level.run_simd(Chunk { problem, packed, chunk });
}

struct Chunk<'a> {
    problem: &'a Problem,
    packed: *const f32,
    chunk: usize,
}

impl SimdBody for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { problem: p, packed, chunk } = self;
        let (start, end) = (chunk * ROWS, p.rows.min((chunk + 1) * ROWS));
        let panels = panels(p);
        let mut rows = vec![0.0_f32; (end - start) * INPUTS.min(p.input)];
        for input in (0..p.input).step_by(INPUTS) {
            let inputs = INPUTS.min(p.input - input);
            let mut left = rows.as_mut_slice();
            for (row, height) in tiles(start, end) {
                let (tile, rest) = left.split_at_mut(height * inputs);
                // SAFETY: the tile is within the rows.
                unsafe { lay_out(p, [row, input], height, tile) };
                left = rest;
            }
            for from in (0..panels).step_by(PANELS) {
                let mut left = rows.as_slice();
                for (row, height) in tiles(start, end) {
                    let (x, rest) = left.split_at(height * inputs);
                    left = rest;
                    for panel in from..panels.min(from + PANELS) {
                        let place = Place { row, input, inputs, panel };
                        // SAFETY: tiles are within the rows, and panels are laid out.
                        unsafe {
                            match height {
                                HEIGHT => tile::<S, HEIGHT>(p, packed, x, place),
                                8 => tile::<S, 8>(p, packed, x, place),
                                4 => tile::<S, 4>(p, packed, x, place),
                                2 => tile::<S, 2>(p, packed, x, place),
                                _ => tile::<S, 1>(p, packed, x, place),
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The first row and the height of each tile of these rows.
#[inline(always)]
fn tiles(start: usize, end: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut row = start;
    std::iter::from_fn(move || {
        let left = end - row;
        let height = [HEIGHT, 8, 4, 2, 1].into_iter().find(|height| *height <= left)?;
        row += height;
        Some((row - height, height))
    })
}

/// Puts the rows of a tile side by side, input by input.
#[inline(always)]
unsafe fn lay_out(p: &Problem, [row, input]: [usize; 2], height: usize, tile: &mut [f32]) {
    for r in 0..height {
        // SAFETY: the caller promises the rows.
        let from = unsafe { p.x.add((row + r) * p.input + input) };
        for (i, line) in tile.chunks_exact_mut(height).enumerate() {
            // SAFETY: there are as many inputs as lines.
            line[r] = unsafe { *from.add(i) };
        }
    }
}

#[derive(Clone, Copy)]
struct Place {
    row: usize,
    input: usize,
    inputs: usize,
    panel: usize,
}

/// Adds some inputs to `R` rows of a panel's outputs; the first of them begin with the bias.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize>(p: &Problem, packed: *const f32, x: &[f32], place: Place) {
    let Place { row, input, inputs, panel } = place;
    let first = panel * WIDTH;
    let count = WIDTH.min(p.output - first);
    let mut line = [0.0_f32; WIDTH];
    // SAFETY: the tile is within the rows; a whole panel of numbers is there.
    unsafe {
        // Vectors of a panel: 2 of AVX-512, more of others, in turns of two.
        for at in (0..WIDTH).step_by(2 * S::LANES) {
            let mut sums = [[S::splat(0.0); 2]; R];
            let weights = packed.add(first * p.input + input * WIDTH + at);
            let x = x.as_ptr();
            for i in 0..inputs {
                let weights = weights.add(i * WIDTH);
                let (a, b) = (S::load(weights), S::load(weights.add(S::LANES)));
                for (r, [left, right]) in sums.iter_mut().enumerate() {
                    let x = S::splat(*x.add(i * R + r));
                    *left = S::fma(x, a, *left);
                    *right = S::fma(x, b, *right);
                }
            }
            if count == WIDTH {
                for (r, [left, right]) in sums.iter().enumerate() {
                    let y = p.y.add((row + r) * p.output);
                    put::<S>(p, input == 0, y, first + at, *left);
                    put::<S>(p, input == 0, y, first + at + S::LANES, *right);
                }
                continue;
            }
            for (r, [left, right]) in sums.iter().enumerate() {
                let y = p.y.add((row + r) * p.output + first);
                S::store(line.as_mut_ptr().add(at), *left);
                S::store(line.as_mut_ptr().add(at + S::LANES), *right);
                for (o, sum) in line[..count].iter().enumerate().skip(at).take(2 * S::LANES) {
                    let before = if input == 0 { p.bias(first + o) } else { *y.add(o) };
                    *y.add(o) = before + sum;
                }
            }
        }
    }
}

/// Adds a vector to the outputs of a row from `output` on, or begins them with the bias.
#[inline(always)]
unsafe fn put<S: Simd>(p: &Problem, begins: bool, y: *mut f32, output: usize, sum: S::V) {
    // SAFETY: the caller promises a vector of outputs.
    unsafe {
        let y = y.add(output);
        let before = match (begins, p.bias.is_null()) {
            (true, true) => S::splat(0.0),
            (true, false) => S::load(p.bias.add(output)),
            (false, _) => S::load(y),
        };
        S::store(y, S::add(before, sum));
    }
}
