//! Weights that are laid out for products of tiles.

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

/// Panels that a thread lays out at a time, so that others find some too.
const FEW: usize = 4;

/// Whether a panel is laid out.
const NOT_YET: u8 = 0;
const TAKEN: u8 = 1;
const DONE: u8 = 2;

/// A weight laid out for products of tiles: each panel by the thread that first multiplies it, in whose cache it then is.
#[derive(Debug)]
pub(in crate::linear) struct PackedWeight {
    weight: Tensor,
    layout: WeightLayout,
    /// The panels, one after the other.
    tiles: Tensor,
    /// Of each panel.
    states: Vec<AtomicU8>,
    /// Those of a number: see [`pack`].
    parts: usize,
    /// Whether results are in fp32; else in bf16.
    exact: bool,
    unit: Unit,
    input: usize,
    output: usize,
}

impl PackedWeight {
    /// Of a contiguous matrix on the CPU, for factors in fp32 (`exact`, from fp32) or bf16 (from either). It must not
    /// change.
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

    /// The type of products with this.
    pub(super) fn kind(&self) -> tch::Kind {
        if self.exact { tch::Kind::Float } else { tch::Kind::BFloat16 }
    }

    /// Room for `[rows, output]` results.
    pub(super) fn results(&self, rows: i64) -> Result<Tensor> {
        Ok(Tensor::f_empty([rows, self.output as i64], (self.kind(), Device::Cpu))?)
    }
}

/// What a thread needs of a packed weight and its bias.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    matrix: Matrix,
    layout: WeightLayout,
    tiles: *mut u16,
    states: *const AtomicU8,
    /// fp32; null for none.
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

    /// Lays out those of some panels that nobody has laid out, and waits for those that another thread does.
    ///
    /// # Safety
    /// The packed weight must be there, and what it is of.
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
                // The other thread may have no core at the moment.
                if tries.is_multiple_of(1 << 12) { thread::yield_now() } else { hint::spin_loop() }
            }
        }
    }

    /// Lays out some panels.
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
        // As the matrix lies: a few rows at a time.
        match self.layout {
            WeightLayout::OutIn => panels.for_each(|panel| {
                (0..self.steps).for_each(|step| write(panel, step));
            }),
            WeightLayout::InOut => (0..self.steps).for_each(|step| {
                panels.clone().for_each(|panel| write(panel, step));
            }),
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
        self.panel(panel, step).cast_const()
    }

    fn panel(&self, panel: usize, step: usize) -> *mut u16 {
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
    /// All tiles and sums must be there: the panels laid out.
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

    /// See [`Self::multiply`].
    unsafe fn by_vectors(
        self,
        work: Work,
        lines: impl Fn(usize) -> Strip,
        mut done: impl FnMut(&Block<'_>, Range<usize>),
    ) {
        let mut own = Sums::zeroed();
        // Numbers along k: the last step may have fewer than it has room for.
        let depth = (work.steps.len() * STEP).min(self.input - work.steps.start * STEP);
        // SAFETY: as promised.
        unsafe {
            for panel in work.panels.clone() {
                let bias = self.bias(panel);
                let tiles = self.tiles(panel, work.steps.start);
                for strip in work.strips.clone() {
                    let (start, sums) = self
                        .sums(&work, [strip, panel])
                        .unwrap_or((std::ptr::null(), &raw mut own));
                    let left = lines(strip);
                    self.one_block(left, tiles, depth, (start, sums));
                    let sums = &*sums;
                    done(&Block { sums, bias: &bias, panel, strip, unit: self.unit }, 0..BLOCK);
                }
            }
        }
    }

    /// The sums of one block: what they begin with, and where they go.
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

    /// What the sums of a block begin with, and where they go, if other steps add to them.
    fn sums(&self, work: &Work, [strip, panel]: [usize; 2]) -> Option<(*const Sums, *mut Sums)> {
        work.before.map(|(is_first, all)| {
            let place = (strip - work.strips.start) * self.panels() + panel;
            let sums = all.wrapping_add(place);
            (if is_first { Sums::zero() } else { sums.cast_const() }, sums)
        })
    }

    #[cfg(target_arch = "x86_64")]
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
