//! Weights that are laid out for products of tiles.

use std::ops::Range;

use tch::{Device, Tensor};

use super::amx::{AHEAD, Tiles};
use super::block::{BLOCK, Sums};
use super::detect::{Unit, unit};
use super::pack::{self, FP32, Matrix, Panel, STEP, Strip, kind, packed_len};
use super::threads::{Shared, bytes, each};
use super::vectors;
use crate::error::{Error, Result};
use crate::ext::linear::Layout;
use crate::ext::number::Kind;

/// A weight laid out for products of tiles.
#[derive(Debug)]
pub(in crate::ext::linear) struct PackedWeight {
    /// The panels, one after the other.
    tiles: Tensor,
    /// Those of a number: see [`pack`].
    parts: usize,
    unit: Unit,
    input: usize,
    output: usize,
}

impl PackedWeight {
    /// Lays out a contiguous matrix on the CPU, for factors in fp32 (`exact`, from fp32) or bf16 (from either).
    ///
    /// # Errors
    /// If the processor has no unit for it, or libtorch fails.
    pub(in crate::ext::linear) fn new(
        weight: &Tensor,
        layout: Layout,
        exact: bool,
    ) -> Result<Self> {
        let is_right = weight.is_contiguous() && (kind(weight) == Kind::Float || !exact);
        let Some(unit) = unit().filter(|_| is_right) else {
            return Err(Error::Contract("a weight that cannot be packed".to_owned()));
        };
        let matrix = Matrix::of(weight)?;
        let (input, output) = match layout {
            Layout::OutIn => (matrix.columns, matrix.rows),
            Layout::InOut => (matrix.rows, matrix.columns),
        };
        let parts = match unit {
            _ if !exact => 1,
            Unit::Vectors => FP32,
            Unit::Tiles => 3,
        };
        let (steps, panels) = (input.div_ceil(STEP), output.div_ceil(BLOCK));
        let len = packed_len(steps, parts);
        let tiles = bytes(2 * len * panels)?;
        let to = Shared((tiles.data_ptr().cast::<u16>(), matrix));
        // As the matrix lies: a few rows at a time.
        let (pieces, others) = match layout {
            Layout::OutIn => (panels, steps),
            Layout::InOut => (steps, panels),
        };
        each(c"sst::tile_pack", pieces, |_, i| {
            let (to, matrix) = to.get();
            for j in 0..others {
                let (panel, step) = if layout == Layout::OutIn { (i, j) } else { (j, i) };
                let to = to.wrapping_add(panel * len + packed_len(step, parts));
                // SAFETY: the matrix is as large as it says, there is room for all panels, and each step of one is
                // written once.
                unsafe {
                    let first = panel * BLOCK;
                    match parts {
                        1 => pack::panel_step::<1>(&matrix, layout, first, step, to),
                        FP32 => pack::panel_step::<FP32>(&matrix, layout, first, step, to),
                        _ => pack::panel_step::<3>(&matrix, layout, first, step, to),
                    }
                }
            }
        })?;
        Ok(Self { tiles, parts, unit, input, output })
    }

    /// The type of products with this.
    pub(super) fn kind(&self) -> tch::Kind {
        if self.parts == 1 { tch::Kind::BFloat16 } else { tch::Kind::Float }
    }

    /// Room for `[rows, output]` results.
    pub(super) fn results(&self, rows: i64) -> Result<Tensor> {
        Ok(Tensor::f_empty([rows, self.output as i64], (self.kind(), Device::Cpu))?)
    }
}

/// What a thread needs of a packed weight and its bias.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    tiles: *const u16,
    /// fp32; null for none.
    bias: *const f32,
    pub(super) parts: usize,
    pub(super) unit: Unit,
    pub(super) steps: usize,
    output: usize,
}

impl Weight {
    pub(super) fn new(weight: &PackedWeight, bias: Option<&Tensor>) -> Self {
        Self {
            tiles: weight.tiles.data_ptr().cast::<u16>().cast_const(),
            bias: bias.map_or(std::ptr::null(), |bias| bias.data_ptr().cast::<f32>().cast_const()),
            parts: weight.parts,
            unit: weight.unit,
            steps: weight.input.div_ceil(STEP),
            output: weight.output,
        }
    }

    /// Numbers of a panel of this, and of a strip that it is multiplied with.
    pub(super) fn len(&self) -> usize {
        packed_len(self.steps, self.parts)
    }

    pub(super) fn panels(&self) -> usize {
        self.output.div_ceil(BLOCK)
    }

    /// How many outputs a panel has.
    fn columns(&self, panel: usize) -> usize {
        BLOCK.min(self.output - panel * BLOCK)
    }

    /// The tiles of a panel from a step on.
    pub(super) fn tiles(&self, panel: usize, step: usize) -> *const u16 {
        self.tiles.wrapping_add(panel * self.len() + packed_len(step, self.parts))
    }

    /// The bias of a panel.
    ///
    /// # Safety
    /// It must be there.
    unsafe fn bias(&self, panel: usize) -> [f32; BLOCK] {
        let mut bias = [0.0; BLOCK];
        if !self.bias.is_null() {
            let count = self.columns(panel);
            // SAFETY: a panel has as many numbers of bias as columns.
            let from = unsafe { std::slice::from_raw_parts(self.bias.add(panel * BLOCK), count) };
            bias[..count].copy_from_slice(from);
        }
        bias
    }

    /// Multiplies each strip with each panel along some steps, and calls `done` with all blocks of sums, some rows at a
    /// time.
    ///
    /// # Safety
    /// All tiles and sums must be there.
    pub(super) unsafe fn multiply(
        self,
        work: Work,
        lines: impl Fn(usize) -> Strip,
        done: impl FnMut(&Block<'_>, Range<usize>),
    ) {
        // SAFETY: as promised; that a weight is packed shows that the processor has the unit.
        unsafe {
            match self.unit {
                Unit::Tiles => self.by_tiles(work, lines, done),
                Unit::Vectors => self.by_vectors(work, lines, done),
            }
        }
    }

    /// See [`Self::multiply`].
    unsafe fn by_vectors(
        self,
        work: Work,
        lines: impl Fn(usize) -> Strip,
        mut done: impl FnMut(&Block<'_>, Range<usize>),
    ) {
        let mut own = Sums::new();
        // SAFETY: as promised.
        unsafe {
            for panel in work.panels.clone() {
                let bias = self.bias(panel);
                let tiles = self.tiles(panel, work.steps.start);
                for strip in work.strips.clone() {
                    let (start, sums) =
                        self.sums(&work, [strip, panel]).unwrap_or((Sums::zero(), &raw mut own));
                    let (left, count) = (lines(strip).upper, work.steps.len());
                    match self.parts {
                        FP32 => vectors::multiply::<true>(left, tiles, 2 * count, start, sums),
                        _ => vectors::multiply::<false>(left, tiles, count, start, sums),
                    }
                    done(&Block { sums: &*sums, bias: &bias, panel, strip }, 0..BLOCK);
                }
            }
        }
    }

    /// What the sums of a block begin with, and where they go, if other steps add to them.
    fn sums(&self, work: &Work, [strip, panel]: [usize; 2]) -> Option<(*const Sums, *mut Sums)> {
        work.before.map(|(is_first, all)| {
            let place = (strip - work.strips.start) * self.panels() + panel;
            let sums = all.wrapping_add(place);
            (if is_first { Sums::zero() } else { sums.cast_const() }, sums)
        })
    }

    /// See [`Self::multiply`]: the sums of one block are told while the tiles of the next are multiplied, which the
    /// processor does beside it.
    unsafe fn by_tiles(
        self,
        work: Work,
        lines: impl Fn(usize) -> Strip,
        mut done: impl FnMut(&Block<'_>, Range<usize>),
    ) {
        let (count, end, parts) = (work.steps.len(), work.panels.end, self.parts);
        let (mut own, mut turn) = ([Sums::new(), Sums::new()], 0);
        let mut last: Option<(*const Sums, [f32; BLOCK], [usize; 2])> = None;
        // SAFETY: as promised. The sums of the last block are others than those that are made, and complete.
        unsafe {
            let mut tell =
                |(sums, bias, [panel, strip]): &(*const Sums, [f32; BLOCK], [usize; 2]), rows| {
                    done(&Block { sums: &**sums, bias, panel: *panel, strip: *strip }, rows);
                };
            let registers = Tiles::set_up();
            for panel in work.panels.clone() {
                let bias = self.bias(panel);
                let tiles = self.tiles(panel, work.steps.start);
                let later = match panel + 1 < end {
                    true => self.tiles(panel + 1, work.steps.start),
                    false => work.after,
                };
                for strip in work.strips.clone() {
                    // Each strip brings its part of what comes next.
                    let part = (strip - work.strips.start) * count * AHEAD[parts / 3];
                    let is_needed = part < 2 * packed_len(count, parts);
                    let next = if is_needed { later.wrapping_byte_add(part) } else { tiles };
                    let (start, sums) = self.sums(&work, [strip, panel]).unwrap_or_else(|| {
                        turn = 1 - turn;
                        (Sums::zero(), own.as_mut_ptr().wrapping_add(turn))
                    });
                    let lines = lines(strip);
                    registers.begin(start);
                    for step in 0..count {
                        let columns = Panel {
                            tiles: tiles.wrapping_add(packed_len(step, parts)),
                            next: next.wrapping_byte_add(step * AHEAD[parts / 3]),
                        };
                        match parts {
                            3 => registers.multiply_three(lines.at(step), columns),
                            _ => registers.multiply(lines.at(step), columns),
                        }
                        if let Some(last) = &last {
                            tell(last, BLOCK * step / count..BLOCK * (step + 1) / count);
                        }
                    }
                    registers.end(sums);
                    last = Some((sums, bias, [panel, strip]));
                }
            }
            if let Some(last) = &last {
                tell(last, 0..BLOCK);
            }
        }
    }
}

/// A block of sums that is complete.
pub(super) struct Block<'a> {
    pub(super) sums: &'a Sums,
    /// That of its columns.
    pub(super) bias: &'a [f32; BLOCK],
    pub(super) panel: usize,
    pub(super) strip: usize,
}

/// Some strips with some panels along some steps.
pub(super) struct Work {
    pub(super) strips: Range<usize>,
    pub(super) panels: Range<usize>,
    pub(super) steps: Range<usize>,
    /// Sums for each strip and panel, which other steps add to, and whether these are the first.
    pub(super) before: Option<(bool, *mut Sums)>,
    /// What comes next.
    pub(super) after: *const u16,
}
