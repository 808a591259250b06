//! Products with few rows, as in text generation. The weights are read once and in order for all rows, at the speed
//! of memory. A chunk of outputs is the unit of work of a thread.

use super::{Problem, WeightLayout};
use crate::cpu::CpuLevel;
use crate::simd::{Simd, SimdBody};

/// The number of outputs in a chunk if the weight is `[out, in]`: a multiple of 3 and 4, the heights of a tile.
const OUTPUTS: usize = 96;
/// The number of outputs in a chunk if the weight is `[in, out]`: their sums, for all rows, stay in the cache.
const COLUMNS: usize = 512;
/// The number of inputs that are added to these sums at once.
const INPUTS: usize = 4;
/// The largest number of rows that are computed together.
const ROWS: usize = 8;

fn chunk_size(layout: WeightLayout) -> usize {
    match layout {
        WeightLayout::OutIn => OUTPUTS,
        WeightLayout::InOut => COLUMNS,
    }
}

/// The number of chunks.
pub(super) fn chunks(problem: &Problem) -> usize {
    problem.output.div_ceil(chunk_size(problem.layout))
}

/// Computes one chunk.
///
/// # Safety
/// The pointers must be valid for the sizes, the processor must have the level, and no other thread may compute the
/// chunk.
pub(super) unsafe fn run(level: CpuLevel, problem: &Problem, chunk: usize) {
    level.run_simd(Chunk { problem, chunk });
}

struct Chunk<'a> {
    problem: &'a Problem,
    chunk: usize,
}

impl SimdBody for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { problem, chunk } = self;
        let size = chunk_size(problem.layout);
        let (start, end) = (chunk * size, problem.output.min((chunk + 1) * size));
        // SAFETY: `start..end` is within the outputs, and the processor has what `S` needs.
        unsafe {
            match problem.layout {
                WeightLayout::OutIn => dots::<S>(problem, start, end),
                WeightLayout::InOut => sums::<S>(problem, start, end),
            }
        }
    }
}

/// Computes outputs `start..end` as inner products of rows of `x` and rows of the weight.
#[inline(always)]
unsafe fn dots<S: Simd>(p: &Problem, start: usize, end: usize) {
    // The tile fills the registers: 32 vectors with AVX-512, 16 elsewhere.
    let (most, wide) = if S::LANES == 16 { (ROWS, 4) } else { (4, 2) };
    let mut output = start;
    while output < end {
        let mut row = 0;
        let mut step = 1;
        while row < p.rows {
            let rows = (p.rows - row).min(most);
            let full = if rows > 4 { 3 } else { wide };
            // All rows use the same outputs, whose weights are in the cache after the first row.
            step = if row > 0 { step } else { full.min(end - output) };
            // SAFETY: as promised; a tile is within the rows and outputs.
            unsafe {
                match rows {
                    1 => tile::<S, 1>(p, row, output, step),
                    2 => tile::<S, 2>(p, row, output, step),
                    3 => tile::<S, 3>(p, row, output, step),
                    4 => tile::<S, 4>(p, row, output, step),
                    5 => tile::<S, 5>(p, row, output, step),
                    6 => tile::<S, 6>(p, row, output, step),
                    7 => tile::<S, 7>(p, row, output, step),
                    _ => tile::<S, 8>(p, row, output, step),
                }
            }
            row += rows;
        }
        output += step;
    }
}

#[inline(always)]
unsafe fn tile<S: Simd, const R: usize>(p: &Problem, row: usize, output: usize, outputs: usize) {
    // SAFETY: passed on.
    unsafe {
        match outputs {
            1 => tile_of::<S, R, 1>(p, row, output),
            2 => tile_of::<S, R, 2>(p, row, output),
            3 => tile_of::<S, R, 3>(p, row, output),
            _ => tile_of::<S, R, 4>(p, row, output),
        }
    }
}

/// Computes `R` rows by `O` outputs.
#[inline(always)]
unsafe fn tile_of<S: Simd, const R: usize, const O: usize>(p: &Problem, row: usize, output: usize) {
    // SAFETY: the tile is within the rows and outputs; prefetching outside memory does nothing.
    unsafe {
        let x = p.x.add(row * p.input);
        let weight = p.weight.add(output * p.input);
        let whole = p.input - p.input % S::LANES;
        let mut sums = [[S::splat(0.0); O]; R];
        let mut at = 0;
        while at < whole {
            let mut weights = [S::splat(0.0); O];
            for (o, w) in weights.iter_mut().enumerate() {
                let from = weight.add(o * p.input + at);
                // Prefetches the weights of the next tile.
                S::prefetch(from.wrapping_add(O * p.input));
                *w = S::load(from);
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = S::load(x.add(r * p.input + at));
                for (sum, w) in sums.iter_mut().zip(weights) {
                    *sum = S::fma(x, w, *sum);
                }
            }
            at += S::LANES;
        }
        for (r, sums) in sums.iter().enumerate() {
            for (o, sum) in sums.iter().enumerate() {
                let mut y = S::sum(*sum);
                for i in whole..p.input {
                    y += *x.add(r * p.input + i) * *weight.add(o * p.input + i);
                }
                *p.y.add((row + r) * p.output + output + o) = y + p.bias(output + o);
            }
        }
    }
}

/// Computes outputs `start..end` as weighted sums of the rows of the weight.
#[inline(always)]
unsafe fn sums<S: Simd>(p: &Problem, start: usize, end: usize) {
    // SAFETY: as promised; all stays within the rows, inputs and outputs.
    unsafe {
        for row in 0..p.rows {
            for output in start..end {
                *p.y.add(row * p.output + output) = p.bias(output);
            }
        }
        for input in (0..p.input).step_by(INPUTS) {
            let mut row = 0;
            while row < p.rows {
                let rows = (p.rows - row).min(ROWS);
                match (rows, p.input - input) {
                    (_, ..INPUTS) => {
                        for input in input..p.input {
                            for row in row..row + rows {
                                add::<S, 1, 1>(p, row, input, start, end);
                            }
                        }
                    }
                    (1, _) => add::<S, 1, INPUTS>(p, row, input, start, end),
                    (2, _) => add::<S, 2, INPUTS>(p, row, input, start, end),
                    (3, _) => add::<S, 3, INPUTS>(p, row, input, start, end),
                    (4, _) => add::<S, 4, INPUTS>(p, row, input, start, end),
                    (5, _) => add::<S, 5, INPUTS>(p, row, input, start, end),
                    (6, _) => add::<S, 6, INPUTS>(p, row, input, start, end),
                    (7, _) => add::<S, 7, INPUTS>(p, row, input, start, end),
                    _ => add::<S, 8, INPUTS>(p, row, input, start, end),
                }
                row += rows;
            }
        }
    }
}

/// Adds `I` rows of the weight to the sums of `R` rows.
#[inline(always)]
unsafe fn add<S: Simd, const R: usize, const I: usize>(
    p: &Problem,
    row: usize,
    input: usize,
    start: usize,
    end: usize,
) {
    // SAFETY: as promised for `sums`.
    unsafe {
        let weight = p.weight.add(input * p.output);
        let mut x = [[0.0; I]; R];
        for (r, x) in x.iter_mut().enumerate() {
            for (i, x) in x.iter_mut().enumerate() {
                *x = *p.x.add((row + r) * p.input + input + i);
            }
        }
        let whole = end - (end - start) % S::LANES;
        let mut output = start;
        while output < whole {
            let mut weights = [S::splat(0.0); I];
            for (i, w) in weights.iter_mut().enumerate() {
                let from = weight.add(i * p.output + output);
                // Prefetches the weights of the next inputs.
                S::prefetch(from.wrapping_add(I * p.output));
                *w = S::load(from);
            }
            for (r, x) in x.iter().enumerate() {
                let y = p.y.add((row + r) * p.output + output);
                let mut sum = S::load(y);
                for (x, w) in x.iter().zip(weights) {
                    sum = S::fma(S::splat(*x), w, sum);
                }
                S::store(y, sum);
            }
            output += S::LANES;
        }
        for output in whole..end {
            for (r, x) in x.iter().enumerate() {
                let y = p.y.add((row + r) * p.output + output);
                for (i, x) in x.iter().enumerate() {
                    *y += x * *weight.add(i * p.output + output);
                }
            }
        }
    }
}
