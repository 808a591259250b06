//! Weights that are packed for products of tiles.

use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::{hint, thread};

use tch::{Device, Tensor};

#[cfg(target_arch = "x86_64")]
use super::avx512::{self, AHEAD, Tiles};
use super::block::{BLOCK, Sums};
use super::detect::{Unit, unit};
use super::lanes;
#[cfg(target_arch = "x86_64")]
use super::pack::Panel;
use super::pack::{self, FP32, Matrix, STEP, Strip, kind, packed_len};
use super::results::Block;
use super::threads::bytes;
use crate::cpu::CpuLevel;
use crate::error::{Error, Result};
use crate::linear::WeightLayout;
use crate::number::Kind;

/// The number of panels that a thread packs at a time, so that other threads have some to pack as well.
const FEW: usize = 4;

/// The state of a panel: not packed, being packed, or packed.
const NOT_YET: u8 = 0;
const TAKEN: u8 = 1;
const DONE: u8 = 2;

/// A weight that is packed for products of tiles. Each panel is packed by the thread that first multiplies it, and is
/// then in its cache.
#[derive(Debug)]
pub(in crate::linear) struct PackedWeight {
    weight: Tensor,
    layout: WeightLayout,
    /// The packed panels, one after the other.
    tiles: Tensor,
    /// The state of each panel.
    states: Vec<AtomicU8>,
    /// The number of parts of each number: see [`pack`].
    parts: usize,
    /// Whether results are in fp32; otherwise they are in bf16.
    exact: bool,
    unit: Unit,
    input: usize,
    output: usize,
}

impl PackedWeight {
    /// Prepares a contiguous matrix on the CPU for factors in fp32 (`exact`; the matrix must be fp32 too) or bf16.
    /// The matrix must not change.
    ///
    /// # Errors
    /// If the processor has no unit for it, or libtorch fails.
    pub(in crate::linear) fn new(
        weight: &Tensor,
        layout: WeightLayout,
        exact: bool,
    ) -> Result<Self> {
        let is_right = weight.is_contiguous() && (kind(weight) == Kind::Float || !exact);
        let Some(unit) = unit().filter(|_| is_right) else {
            return Err(Error::Contract("a weight that cannot be packed".to_owned()));
        };
        let matrix = Matrix::of(weight)?;
        let (input, output) = match layout {
            WeightLayout::OutIn => (matrix.columns, matrix.rows),
            WeightLayout::InOut => (matrix.rows, matrix.columns),
        };
        let parts = match unit {
            Unit::Lanes => FP32,
            _ if !exact => 1,
            Unit::Vectors => FP32,
            Unit::Tiles => 3,
        };
        let (steps, panels) = (input.div_ceil(STEP), output.div_ceil(BLOCK));
        let tiles = bytes(2 * packed_len(steps, parts) * panels)?;
        let states = (0..panels).map(|_| AtomicU8::new(NOT_YET)).collect();
        let weight = weight.shallow_clone();
        Ok(Self { weight, layout, tiles, states, parts, exact, unit, input, output })
    }

    /// The type of the products.
    pub(super) fn kind(&self) -> tch::Kind {
        if self.exact { tch::Kind::Float } else { tch::Kind::BFloat16 }
    }

    /// An uninitialised tensor for the results `[rows, output]`.
    pub(super) fn results(&self, rows: i64) -> Result<Tensor> {
        Ok(Tensor::f_empty([rows, self.output as i64], (self.kind(), Device::Cpu))?)
    }
}

/// The pointers and sizes of a packed weight and its bias that a thread needs.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    matrix: Matrix,
    layout: WeightLayout,
    tiles: *mut u16,
    states: *const AtomicU8,
    /// The bias in fp32; null for none.
    bias: *const f32,
    pub(super) parts: usize,
    pub(super) unit: Unit,
    pub(super) steps: usize,
    input: usize,
    output: usize,
}

impl Weight {
    /// # Errors
    /// If libtorch fails.
    pub(super) fn new(weight: &PackedWeight, bias: Option<&Tensor>) -> Result<Self> {
        Ok(Self {
            matrix: Matrix::of(&weight.weight)?,
            layout: weight.layout,
            tiles: weight.tiles.data_ptr().cast::<u16>(),
            states: weight.states.as_ptr(),
            bias: bias.map_or(std::ptr::null(), |bias| bias.data_ptr().cast::<f32>().cast_const()),
            parts: weight.parts,
            unit: weight.unit,
            steps: weight.input.div_ceil(STEP),
            input: weight.input,
            output: weight.output,
        })
    }

    /// Packs the panels of a range that are not packed yet, and waits for those that another thread is packing.
    ///
    /// # Safety
    /// The packed weight and the weight itself must be alive.
    pub(super) unsafe fn lay_out(&self, panels: Range<usize>) {
        // SAFETY: each panel has a state.
        let state = |panel| unsafe { &*self.states.add(panel) };
        let is_ours = |panel: usize| {
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            state(panel).compare_exchange(NOT_YET, TAKEN, success, failure).is_ok()
        };
        let mut start = panels.start;
        while start < panels.end {
            let few = panels.end.min(start + FEW);
            let other = (start..few).find(|panel| !is_ours(*panel));
            let end = other.unwrap_or(few);
            // SAFETY: as promised; nobody else takes these panels.
            unsafe { self.write(start..end) };
            for panel in start..end {
                state(panel).store(DONE, Ordering::Release);
            }
            start = other.map_or(end, |panel| panel + 1);
        }
        for panel in panels {
            let mut tries = 0_u32;
            while state(panel).load(Ordering::Acquire) != DONE {
                tries += 1;
                // The other thread may not be running at the moment.
                if tries.is_multiple_of(1 << 12) { thread::yield_now() } else { hint::spin_loop() }
            }
        }
    }

    /// Packs some panels.
    ///
    /// # Safety
    /// As for [`Self::lay_out`]; no other thread may write or read them.
    unsafe fn write(&self, panels: Range<usize>) {
        let write = |panel, step| {
            let to = self.panel(panel, step);
            let (matrix, layout, first) = (&self.matrix, self.layout, panel * BLOCK);
            // SAFETY: the matrix is as large as it says, and there is room for all panels.
            unsafe { pack::panel_step(self.unit, self.parts, matrix, layout, (first, step), to) };
        };
        // In the order of the matrix, a few rows at a time.
        match self.layout {
            WeightLayout::OutIn => panels.for_each(|panel| {
                (0..self.steps).for_each(|step| write(panel, step));
            }),
            WeightLayout::InOut => (0..self.steps).for_each(|step| {
                panels.clone().for_each(|panel| write(panel, step));
            }),
        }
    }

    /// The number of elements of a packed panel, and of a strip that is multiplied with it.
    pub(super) fn len(&self) -> usize {
        packed_len(self.steps, self.parts)
    }

    pub(super) fn panels(&self) -> usize {
        self.output.div_ceil(BLOCK)
    }

    /// The number of outputs in a panel.
    fn columns(&self, panel: usize) -> usize {
        BLOCK.min(self.output - panel * BLOCK)
    }

    /// The tiles of a panel from a step on.
    pub(super) fn tiles(&self, panel: usize, step: usize) -> *const u16 {
        self.panel(panel, step).cast_const()
    }

    fn panel(&self, panel: usize, step: usize) -> *mut u16 {
        self.tiles.wrapping_add(panel * self.len() + packed_len(step, self.parts))
    }

    /// The bias of a panel.
    ///
    /// # Safety
    /// The bias must be readable.
    unsafe fn bias(&self, panel: usize) -> [f32; BLOCK] {
        let mut bias = [0.0; BLOCK];
        if !self.bias.is_null() {
            let count = self.columns(panel);
            // SAFETY: the bias of a panel has as many numbers as the panel has columns.
            let from = unsafe { std::slice::from_raw_parts(self.bias.add(panel * BLOCK), count) };
            bias[..count].copy_from_slice(from);
        }
        bias
    }

    /// Multiplies each strip with each panel along some steps, and calls `done` with each block of sums, some rows at
    /// a time.
    ///
    /// # Safety
    /// The tiles and the sums must be readable, and the panels packed.
    pub(super) unsafe fn multiply(
        self,
        work: Work,
        lines: impl Fn(usize) -> Strip,
        done: impl FnMut(&Block<'_>, Range<usize>),
    ) {
        // SAFETY: as promised; that a weight is packed shows that the processor has the unit.
        unsafe {
            match self.unit {
                #[cfg(target_arch = "x86_64")]
                Unit::Tiles => self.by_tiles(work, lines, done),
                _ => self.by_vectors(work, lines, done),
            }
        }
    }

    /// [`Self::multiply`] with vectors.
    unsafe fn by_vectors(
        self,
        work: Work,
        lines: impl Fn(usize) -> Strip,
        mut done: impl FnMut(&Block<'_>, Range<usize>),
    ) {
        let mut block_sums = Sums::zeroed();
        // The number of elements along k; the last step may be incomplete.
        let depth = (work.steps.len() * STEP).min(self.input - work.steps.start * STEP);
        // SAFETY: as promised.
        unsafe {
            for panel in work.panels.clone() {
                let bias = self.bias(panel);
                let tiles = self.tiles(panel, work.steps.start);
                for strip in work.strips.clone() {
                    let (start, sums) = self
                        .sums(&work, [strip, panel])
                        .unwrap_or((std::ptr::null(), &raw mut block_sums));
                    let left = lines(strip);
                    self.one_block(left, tiles, depth, (start, sums));
                    let sums = &*sums;
                    done(&Block { sums, bias: &bias, panel, strip, unit: self.unit }, 0..BLOCK);
                }
            }
        }
    }

    /// Computes the sums of one block from their initial values.
    unsafe fn one_block(
        &self,
        left: Strip,
        tiles: *const u16,
        depth: usize,
        (start, sums): (*const Sums, *mut Sums),
    ) {
        // SAFETY: as promised for `multiply`.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if self.unit != Unit::Lanes {
                let step = left.step / self.parts;
                match self.parts {
                    FP32 => avx512::multiply::<true>(left, tiles, (depth, step), start, sums),
                    _ => {
                        let pairs = depth.div_ceil(2);
                        avx512::multiply::<false>(left, tiles, (pairs, step), start, sums);
                    }
                }
                return;
            }
            lanes::multiply(CpuLevel::current(), left, tiles.cast(), depth, start, sums);
        }
    }

    /// The initial values and the destination of the sums of a block, if several passes add to them.
    fn sums(&self, work: &Work, [strip, panel]: [usize; 2]) -> Option<(*const Sums, *mut Sums)> {
        work.before.map(|(is_first, all)| {
            let place = (strip - work.strips.start) * self.panels() + panel;
            let sums = all.wrapping_add(place);
            (if is_first { Sums::zero() } else { sums.cast_const() }, sums)
        })
    }

    #[cfg(target_arch = "x86_64")]
    /// [`Self::multiply`] with AMX. The results of a block are written while the tiles of the next one are
    /// multiplied, as the processor can do both at the same time.
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
                    let (panel, strip, unit) = (*panel, *strip, self.unit);
                    done(&Block { sums: &**sums, bias, panel, strip, unit }, rows);
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
                    // Each strip prefetches its part of the next data.
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

/// Some strips with some panels along some steps.
pub(super) struct Work {
    pub(super) strips: Range<usize>,
    pub(super) panels: Range<usize>,
    pub(super) steps: Range<usize>,
    /// The sums for each strip and panel, to which several passes add, and whether this is the first pass.
    pub(super) before: Option<(bool, *mut Sums)>,
    /// The data that is needed next, for prefetching.
    pub(super) after: *const u16,
}
