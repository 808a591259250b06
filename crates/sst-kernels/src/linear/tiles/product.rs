//! Products with packed weights, divided into pieces for the threads.

use std::ops::Range;

use tch::Tensor;

use super::block::{BLOCK, Output, Sums};
use super::detect::Unit;
use super::pack::{self, FP32, Matrix, STEP, Strip, kind, packed_len};
use super::pieces::{Items, PIECES, Pieces, groups, share};
use super::results::Block;
use super::threads::{Shared, bytes, each, threads};
use super::weight::{PackedWeight, Weight, Work};
use crate::error::Result;
use crate::linear::FusedActivation;
use crate::number::Kind;

/// The number of panels of the first of two layers that are computed before the second layer continues.
const CHUNK: usize = 12;
/// The number of steps along k that are packed and multiplied together, as the sum over rows may be of any length.
const STEPS: usize = 64;

/// The left factor of a piece of work. It is packed if it cannot be read in place.
#[derive(Clone, Copy)]
struct Left {
    x: Matrix,
    /// The first strip of the piece.
    first: usize,
    unit: Unit,
    parts: usize,
    len: usize,
    /// The buffer for the packed strips of a piece.
    scratch: *mut u16,
}

impl Left {
    fn is_in_place(&self, strip: usize) -> bool {
        // AVX-512 vectors multiply fp32 in place. Other units need all registers for sums, and none is left for
        // strides.
        let is_read = match self.x.kind {
            Kind::BFloat16 => self.parts == 1,
            Kind::Float => self.parts == FP32 && self.unit != Unit::Lanes,
        };
        is_read && self.x.columns.is_multiple_of(STEP) && (strip + 1) * BLOCK <= self.x.rows
    }

    fn packed(&self, strip: usize) -> *mut u16 {
        self.scratch.wrapping_add((strip - self.first) * self.len)
    }

    /// # Safety
    /// The processor must have AVX-512 bf16, and the buffer must have room for the strips.
    unsafe fn pack(&self, strips: Range<usize>) {
        for strip in strips.filter(|strip| !self.is_in_place(*strip)) {
            // SAFETY: as promised.
            unsafe {
                let (row, to) = (strip * BLOCK, self.packed(strip));
                pack::strip(self.unit, self.parts, &self.x, row, to);
            }
        }
    }

    /// [`Self::pack`] for the transposed matrix, along some steps, with the sums of its columns.
    ///
    /// # Safety
    /// As for [`Self::pack`].
    unsafe fn pack_turned(&self, strips: Range<usize>, steps: Range<usize>, sums: *mut f32) {
        for (at, step) in steps.enumerate() {
            for strip in strips.clone() {
                let to = self.packed(strip).wrapping_add(packed_len(at, self.parts));
                let first = strip * BLOCK;
                // SAFETY: as promised; there is a sum for each column.
                unsafe {
                    pack::turned_step(self.unit, self.parts, &self.x, (first, step), to, sums);
                };
            }
        }
    }

    fn strip(&self, strip: usize) -> Strip {
        match self.is_in_place(strip) {
            true => Strip::in_place(&self.x, strip * BLOCK, share_of(self.x.rows, strip)),
            false => {
                let rows = share_of(self.x.rows, strip);
                Strip::packed(self.unit, self.packed(strip), self.parts, rows)
            }
        }
    }
}

/// `x W + b` for a contiguous `x` `[m, input]` and a bias in fp32; in fp32 if the weight is exact, else in bf16.
///
/// # Errors
/// If libtorch fails.
pub(in crate::linear) fn linear(
    x: &Tensor,
    weight: &PackedWeight,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let (x, y) = (x.f_to_kind(weight.kind())?, weight.results(x.size()[0])?);
    let output = Shared(outputs(&y)?);
    // SAFETY: the results of all blocks are writable.
    each_block(&x, weight, bias, |block, some| unsafe {
        block.write(output.get(), some);
    })?;
    Ok(y)
}

/// Computes `x W + b` and calls `done` with some rows of each block, from several threads.
///
/// # Errors
/// If libtorch fails.
pub(super) fn each_block(
    x: &Tensor,
    weight: &PackedWeight,
    bias: Option<&Tensor>,
    done: impl Fn(&Block<'_>, Range<usize>) + Sync,
) -> Result<()> {
    let left = Matrix::of(x)?;
    let weight = Weight::new(weight, bias)?;
    let (strips, panels, len) = (left.rows.div_ceil(BLOCK), weight.panels(), weight.len());
    let threads = threads();
    let Pieces { pieces, most: piece } = Pieces::new(strips, 2 * len);
    // Splitting numbers into three parts is too slow to repeat it.
    let groups = groups(pieces, panels, if weight.parts == 3 { 1 } else { PIECES });
    let scratch = bytes(threads * piece * 2 * len)?;
    let shared = Shared((left, weight, scratch.data_ptr().cast::<u16>()));
    let items = Items::new(pieces * groups, piece);
    each(c"sst::tile_product", items.count(), |thread, i| {
        let (x, weight, scratch) = shared.get();
        let (i, part) = items.at(i);
        let rows = part.of(share(strips, pieces, i / groups));
        let columns = share(panels, groups, i % groups);
        if rows.is_empty() {
            return;
        }
        let scratch = scratch.wrapping_add(thread * piece * len);
        let (first, unit, parts) = (rows.start, weight.unit, weight.parts);
        let left = Left { x, first, unit, parts, len, scratch };
        // SAFETY: the weight was packed for this unit, so the processor has it. Each thread has its own buffer, and
        // no other piece has these blocks.
        unsafe {
            weight.lay_out(columns.clone());
            left.pack(rows.clone());
            let work = Work {
                strips: rows,
                panels: columns,
                steps: 0..weight.steps,
                before: None,
                after: weight.tiles(0, 0),
            };
            weight.multiply(work, |strip| left.strip(strip), &done);
        }
    })
}

/// `y^T x` `[output, input]` in the type of `result`, for `y` `[m, output]` and a packed `x` `[m, input]`; and the
/// sums of the columns of `y` in fp32, if wanted.
///
/// # Errors
/// If libtorch fails.
pub(super) fn turned(
    y: &Tensor,
    x: &PackedWeight,
    result: &Tensor,
    column_sums: Option<&Tensor>,
) -> Result<()> {
    let left = Matrix::of(y)?;
    let column_sums = match column_sums {
        Some(sums) => sums.shallow_clone().f_zero_()?.data_ptr().cast::<f32>(),
        None => std::ptr::null_mut(),
    };
    let output = outputs(result)?;
    let weight = Weight::new(x, None)?;
    let (strips, panels) = (left.columns.div_ceil(BLOCK), weight.panels());
    let len = packed_len(STEPS.min(weight.steps), weight.parts);
    // A product that is computed in one pass needs no buffer for partial sums.
    let is_all = weight.steps <= STEPS;
    let sums_len = if is_all { 0 } else { panels * size_of::<Sums>() / size_of::<u16>() };
    let threads = threads();
    let Pieces { pieces, most: piece } = Pieces::new(strips, 2 * (len + sums_len)).smaller(strips);
    // Each group transposes the strips again.
    let groups = groups(pieces, panels, 1);
    let scratch_len = piece * (len + sums_len);
    let scratch = bytes(threads * scratch_len * 2)?;
    let shared = Shared((left, weight, output, (scratch.data_ptr().cast::<u16>(), column_sums)));
    let items = Items::new(pieces * groups, piece);
    each(c"sst::tile_turned", items.count(), |thread, i| {
        let (y, weight, output, (scratch, column_sums)) = shared.get();
        let (i, part) = items.at(i);
        let (rows, group) = (part.of(share(strips, pieces, i / groups)), i % groups);
        if rows.is_empty() {
            return;
        }
        // The column sums of a strip are computed by one group only.
        let column_sums = if group == 0 { column_sums } else { std::ptr::null_mut() };
        let scratch = scratch.wrapping_add(thread * scratch_len);
        let (first, unit, parts) = (rows.start, weight.unit, weight.parts);
        let left = Left { x: y, first, unit, parts, len, scratch };
        let sums = scratch.wrapping_add(piece * len).cast::<Sums>();
        let columns = share(panels, groups, group);
        // SAFETY: as for `each_block`.
        unsafe { weight.lay_out(columns.clone()) };
        for start in (0..weight.steps).step_by(STEPS) {
            let steps = start..weight.steps.min(start + STEPS);
            let is_last = steps.end == weight.steps;
            // SAFETY: as for `each_block`; only the piece with a column's strip and the first panels adds to its sum.
            unsafe {
                left.pack_turned(rows.clone(), steps.clone(), column_sums);
                let work = Work {
                    strips: rows.clone(),
                    panels: columns.clone(),
                    steps,
                    before: (!is_all).then_some((start == 0, sums)),
                    after: weight.tiles(0, if is_last { 0 } else { start + STEPS }),
                };
                weight.multiply(
                    work,
                    |strip| {
                        let rows = share_of(y.columns, strip);
                        Strip::turned(unit, left.packed(strip), parts, rows)
                    },
                    |block, some| {
                        if is_last {
                            block.write(output, some);
                        }
                    },
                );
            }
        }
    })
}

/// Two linear layers with an activation between them, as in [`linear`]. The hidden values stay in the cache.
///
/// # Errors
/// If libtorch fails.
pub(in crate::linear) fn mlp(
    x: &Tensor,
    [up, down]: [&PackedWeight; 2],
    [up_bias, down_bias]: [Option<&Tensor>; 2],
    activation: FusedActivation,
) -> Result<Tensor> {
    let (x, y) = (x.f_to_kind(up.kind())?, down.results(x.size()[0])?);
    let (left, output) = (Matrix::of(&x)?, outputs(&y)?);
    let (up, down) = (Weight::new(up, up_bias)?, Weight::new(down, down_bias)?);
    let (strips, len) = (left.rows.div_ceil(BLOCK), up.len());
    // The number of elements of a strip's part of the hidden values, and of its sums.
    let (inner_len, sums_len) =
        (packed_len(CHUNK, up.parts), down.panels() * size_of::<Sums>() / size_of::<u16>());
    let threads = threads();
    let Pieces { pieces, most: piece } = Pieces::new(strips, 2 * (len + inner_len + sums_len));
    let scratch_len = piece * (len + inner_len + sums_len);
    let scratch = bytes(threads * scratch_len * 2)?;
    let shared = Shared((left, up, down, output, scratch.data_ptr().cast::<u16>()));
    each(c"sst::tile_mlp", pieces, |thread, i| {
        let (x, up, down, output, scratch) = shared.get();
        let rows = share(strips, pieces, i);
        let first = rows.start;
        let scratch = scratch.wrapping_add(thread * scratch_len);
        let left = Left { x, first, unit: up.unit, parts: up.parts, len, scratch };
        let inner = scratch.wrapping_add(piece * len);
        let all = inner.wrapping_add(piece * inner_len).cast::<Sums>();
        let inner = |strip: usize| inner.wrapping_add((strip - first) * inner_len);
        let panels = up.panels();
        // SAFETY: as for `linear`. A panel of the first layer is a step of the second.
        unsafe {
            down.lay_out(0..down.panels());
            left.pack(rows.clone());
            for chunk in (0..panels).step_by(CHUNK) {
                let steps = chunk..panels.min(chunk + CHUNK);
                up.lay_out(steps.clone());
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
                        block.write_step(up.parts, activation, to, some);
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
                let lines = |strip| {
                    Strip::packed(down.unit, inner(strip), down.parts, share_of(x.rows, strip))
                };
                down.multiply(work, lines, |block, some| {
                    if is_last {
                        block.write(output, some);
                    }
                });
            }
        }
    })?;
    Ok(y)
}

/// The number of rows of a strip, if the matrix has `rows` rows.
fn share_of(rows: usize, strip: usize) -> usize {
    BLOCK.min(rows - strip * BLOCK)
}

/// A contiguous matrix for results.
pub(super) fn outputs(y: &Tensor) -> Result<Output> {
    let (rows, columns) = y.size2()?;
    let (rows, stride) = (rows as usize, columns as usize);
    Ok(Output { numbers: y.data_ptr(), kind: kind(y), rows, stride })
}
