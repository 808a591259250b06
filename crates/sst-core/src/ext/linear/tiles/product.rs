//! Products with packed weights, in pieces for the threads.

use std::ops::Range;

use tch::Tensor;

use super::block::{self, BLOCK, Output, Sums};
use super::pack::{self, Matrix, STEP, Strip, kind, packed_len};
use super::threads::{Shared, bytes, each, threads};
use super::weight::{Block, PackedWeight, Weight, Work};
use crate::error::Result;
use crate::ext::linear::Curve;
use crate::ext::number::Kind;

/// Bytes of the rows of a piece of work, at most: they stay in the second cache while all weights go by.
const PIECE: usize = 1280 << 10;
/// Panels of the first of two layers after which the second goes on.
const CHUNK: usize = 12;
/// Strips of a piece, at most.
const STRIPS: usize = 8;

/// The left factor of a piece of work, packed where it cannot be read as it lies.
#[derive(Clone, Copy)]
struct Left {
    x: Matrix,
    /// The first strip of the piece.
    first: usize,
    parts: usize,
    len: usize,
    /// Room for the packed strips of a piece.
    scratch: *mut u16,
}

impl Left {
    fn is_in_place(&self, strip: usize) -> bool {
        self.x.kind == Kind::BFloat16
            && self.x.columns.is_multiple_of(STEP)
            && (strip + 1) * BLOCK <= self.x.rows
    }

    fn packed(&self, strip: usize) -> *mut u16 {
        self.scratch.wrapping_add((strip - self.first) * self.len)
    }

    /// # Safety
    /// The processor must have AVX-512 bf16, and there be room for the strips.
    unsafe fn pack(&self, strips: Range<usize>) {
        for strip in strips.filter(|strip| !self.is_in_place(*strip)) {
            // SAFETY: as promised.
            unsafe {
                match self.parts {
                    3 => pack::strip::<3>(&self.x, strip * BLOCK, self.packed(strip)),
                    _ => pack::strip::<1>(&self.x, strip * BLOCK, self.packed(strip)),
                }
            }
        }
    }

    fn strip(&self, strip: usize) -> Strip {
        match self.is_in_place(strip) {
            true => Strip::in_place(&self.x, strip * BLOCK),
            false => Strip::packed(self.packed(strip), self.parts),
        }
    }
}

/// `x W + b` for a contiguous `x` `[m, input]` and a bias in fp32, in fp32 if the weight is exact and else in bf16.
///
/// # Errors
/// If libtorch fails.
pub(in crate::ext::linear) fn linear(
    x: &Tensor,
    weight: &PackedWeight,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let (x, y) = (x.f_to_kind(weight.kind())?, weight.results(x.size()[0])?);
    let (left, output) = (Matrix::of(&x)?, outputs(&y, weight));
    let weight = Weight::new(weight, bias);
    let (strips, panels, len) = (left.rows.div_ceil(BLOCK), weight.panels(), weight.len());
    let threads = threads();
    let piece = piece(strips, 2 * len);
    let pieces = strips.div_ceil(piece);
    // Few rows are shared out by columns too.
    let groups = if pieces < threads { threads.div_ceil(pieces).min(panels) } else { 1 };
    let scratch = bytes(threads * piece * 2 * len)?;
    let shared = Shared((left, weight, output, scratch.data_ptr().cast::<u16>()));
    each(c"sst::tile_product", pieces * groups, |thread, i| {
        let (x, weight, output, scratch) = shared.get();
        let (first, group) = (i / groups * piece, i % groups);
        let rows = first..strips.min(first + piece);
        let columns = group * panels / groups..(group + 1) * panels / groups;
        let scratch = scratch.wrapping_add(thread * piece * len);
        let left = Left { x, first, parts: weight.parts, len, scratch };
        // SAFETY: that a weight is packed shows that the processor has AMX; a thread has its own scratch, and no
        // other piece writes these results, for which there is room.
        unsafe {
            left.pack(rows.clone());
            let work = Work {
                strips: rows,
                panels: columns,
                steps: 0..weight.steps,
                before: None,
                after: weight.tiles(0, 0),
            };
            weight.multiply(
                work,
                |strip| left.strip(strip),
                |block, some| {
                    write(block, weight.columns(block.panel), x.rows, output, some);
                },
            );
        }
    })?;
    Ok(y)
}

/// Two linear layers with an activation between them, as [`linear`]: what is between them stays in the cache.
///
/// # Errors
/// If libtorch fails.
pub(in crate::ext::linear) fn mlp(
    x: &Tensor,
    [up, down]: [&PackedWeight; 2],
    [up_bias, down_bias]: [Option<&Tensor>; 2],
    curve: Curve,
) -> Result<Tensor> {
    let (x, y) = (x.f_to_kind(up.kind())?, down.results(x.size()[0])?);
    let (left, output) = (Matrix::of(&x)?, outputs(&y, down));
    let (up, down) = (Weight::new(up, up_bias), Weight::new(down, down_bias));
    let (strips, len) = (left.rows.div_ceil(BLOCK), up.len());
    // Numbers of a strip's part of what is between, and of its sums.
    let (inner_len, sums_len) =
        (packed_len(CHUNK, up.parts), down.panels() * size_of::<Sums>() / size_of::<u16>());
    let threads = threads();
    let piece = piece(strips, 2 * (len + inner_len + sums_len));
    let scratch_len = piece * (len + inner_len + sums_len);
    let scratch = bytes(threads * scratch_len * 2)?;
    let shared = Shared((left, up, down, output, scratch.data_ptr().cast::<u16>()));
    each(c"sst::tile_mlp", strips.div_ceil(piece), |thread, i| {
        let (x, up, down, output, scratch) = shared.get();
        let first = i * piece;
        let rows = first..strips.min(first + piece);
        let scratch = scratch.wrapping_add(thread * scratch_len);
        let left = Left { x, first, parts: up.parts, len, scratch };
        let inner = scratch.wrapping_add(piece * len);
        let all = inner.wrapping_add(piece * inner_len).cast::<Sums>();
        let inner = |strip: usize| inner.wrapping_add((strip - first) * inner_len);
        let panels = up.panels();
        // SAFETY: as for `linear`. A panel of the first layer is a step of the second.
        unsafe {
            left.pack(rows.clone());
            for chunk in (0..panels).step_by(CHUNK) {
                let steps = chunk..panels.min(chunk + CHUNK);
                let work = Work {
                    strips: rows.clone(),
                    panels: steps.clone(),
                    steps: 0..up.steps,
                    before: None,
                    after: down.tiles(0, chunk),
                };
                up.multiply(
                    work,
                    |strip| left.strip(strip),
                    |block, some| {
                        let to = inner(block.strip).add(packed_len(block.panel - chunk, up.parts));
                        match up.parts {
                            3 => block::write_step::<3>(block.sums, block.bias, curve, to, some),
                            _ => block::write_step::<1>(block.sums, block.bias, curve, to, some),
                        }
                    },
                );
                let is_last = steps.end == panels;
                let work = Work {
                    strips: rows.clone(),
                    panels: 0..down.panels(),
                    after: if is_last { up.tiles(0, 0) } else { up.tiles(steps.end, 0) },
                    steps,
                    before: Some((chunk == 0, all)),
                };
                let lines = |strip| Strip::packed(inner(strip), down.parts);
                down.multiply(work, lines, |block, some| {
                    if is_last {
                        write(block, down.columns(block.panel), x.rows, output, some);
                    }
                });
            }
        }
    })?;
    Ok(y)
}

/// Writes some rows of a block, those that there are of it.
///
/// # Safety
/// As for [`Sums::write`].
unsafe fn write(
    block: &Block<'_>,
    columns: usize,
    rows: usize,
    output: Output,
    some: Range<usize>,
) {
    let (row, column) = (block.strip * BLOCK, block.panel * BLOCK);
    let some = some.start..some.end.min(rows - row);
    // SAFETY: as promised.
    unsafe { block.sums.write(block.bias, output.at(row, column), some, columns) }
}

/// Strips of a piece of work, of which each takes so many bytes.
fn piece(strips: usize, bytes: usize) -> usize {
    strips.div_ceil(threads()).min(STRIPS).min(PIECE / bytes).max(1)
}

fn outputs(y: &Tensor, weight: &PackedWeight) -> Output {
    Output { numbers: y.data_ptr(), kind: kind(y), stride: weight.output }
}
