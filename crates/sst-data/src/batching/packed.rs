//! Steps of packs: rows laid end to end until hardly a token of room is left.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::window::{Group, Row, Windows};
use super::{Batching, BatchingError, Fill, Position, SampleRef, StepPlan};
use crate::rng::SeqRng;
use crate::rows::Dataset;

/// The sizes of [`Packed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackConfig {
    /// The tokens of a pack at most.
    pub length: usize,
    /// The packs of a step.
    pub packs_per_step: usize,
    /// The packs of a micro-batch; the last one of a step may have fewer.
    pub micro_packs: usize,
    /// Rows in a window; `None` takes 8,192, or more if a window would hold fewer than 32 steps.
    pub window: Option<usize>,
}

/// Rows in packs of at most so many tokens, a fixed number of packs a step. Every epoch shows each
/// row once, whole.
///
/// The rows of a window are packed best fit first, the longest first (best-fit decreasing, Johnson
/// 1973; for pre-training, Krell et al. 2021, "Efficient Sequence Packing without Cross-contamination",
/// and Ding et al. 2024, "Fewer Truncations Improve Language Modeling"). Packs that long rows begin
/// come out before those of leftovers, so packs are shuffled before they become steps. The steps of
/// a window differ by a pack at most.
#[derive(Clone)]
pub struct Packed {
    windows: Windows,
    config: PackConfig,
}

/// The rows of a pack.
type Pack = Vec<SampleRef>;

impl Packed {
    /// Packs of the rows of `rows`, whose lengths are all looked at once, in parallel.
    ///
    /// # Errors
    /// If there are no rows, a size is 0, the micro-batch is larger than the step, or a row is
    /// longer than a pack.
    pub fn new(
        seed: u64,
        rows: Arc<dyn Dataset>,
        config: PackConfig,
    ) -> Result<Self, BatchingError> {
        let PackConfig { length, packs_per_step: packs, micro_packs: micro, window } = config;
        match (length, packs, micro) {
            (0, _, _) => return Err(BatchingError::Zero("pack_length")),
            (_, 0, _) => return Err(BatchingError::Zero("packs_per_step")),
            (_, _, 0) => return Err(BatchingError::Zero("micro_packs")),
            _ if micro > packs => return Err(BatchingError::MicroOverPacks { micro, packs }),
            _ => {}
        }
        let limit = ("pack_length", length);
        let windows = Windows::new(seed, rows, window, packs.saturating_mul(length), limit)?;
        Ok(Self { windows, config })
    }

    /// The part of the room in the packs of `plan` that holds tokens, in `[0, 1]`.
    pub fn fill_rate(&self, plan: &StepPlan) -> f64 {
        let packs: usize = plan.packs.iter().flatten().map(Vec::len).sum();
        let samples = plan.micro.iter().flatten();
        let tokens: usize = samples.map(|sample| self.windows.row(*sample).length).sum();
        tokens as f64 / (packs * self.config.length).max(1) as f64
    }

    /// Best-fit decreasing: each row, the longest first, goes to the fullest pack that has room.
    /// Packs come with the room left in them.
    fn pack(&self, mut rows: Vec<Row>) -> Vec<(usize, Pack)> {
        // Stable, so that rows of one length stay in their random order.
        rows.sort_by_key(|row| Reverse(row.length));
        let mut packs: Vec<(usize, Pack)> = Vec::new();
        let mut open = BTreeSet::new();
        for row in rows {
            let found = open.range((row.length, 0)..).next().copied();
            let (room, number) = found.unwrap_or((self.config.length, packs.len()));
            match packs.get_mut(number) {
                Some((left, pack)) => {
                    open.remove(&(room, number));
                    *left -= row.length;
                    pack.push(row.sample);
                }
                None => packs.push((room - row.length, vec![row.sample])),
            }
            open.insert((room - row.length, number));
        }
        packs
    }

    fn group(&self, packs: &[(usize, Pack)]) -> Group {
        let micro = packs.chunks(self.config.micro_packs);
        let sizes = micro.clone().map(|micro| micro.iter().map(|(_, pack)| pack.len()).collect());
        let flat =
            |micro: &[(usize, Pack)]| micro.iter().flat_map(|(_, pack)| pack).copied().collect();
        Group { packs: Some(sizes.collect()), micro: micro.map(flat).collect() }
    }

    /// The steps of one window, in order.
    fn cut(&self, rows: Vec<Row>, rng: &mut SeqRng) -> Vec<Group> {
        let mut packs = self.pack(rows);
        rng.shuffle(&mut packs);
        let num_steps = packs.len().div_ceil(self.config.packs_per_step);
        let bound = |step: usize| packs.len() * step / num_steps;
        (0..num_steps).map(|step| self.group(&packs[bound(step)..bound(step + 1)])).collect()
    }
}

impl Batching for Packed {
    fn steps(&self, from: Position) -> Box<dyn Iterator<Item = StepPlan> + Send> {
        let rule = self.clone();
        Box::new(self.windows.steps(from, move |rows, rng| rule.cut(rows, rng)))
    }

    fn is_packed(&self) -> bool {
        true
    }
}

impl Fill for Packed {
    /// Draws as many tokens as the packs have room for, packs them, and keeps the fullest packs:
    /// stopping at the first row that fits nowhere would leave a quarter of the room empty.
    fn fill(&self, from: Position, draws: &mut dyn Iterator<Item = SampleRef>) -> StepPlan {
        let room = self.config.packs_per_step.saturating_mul(self.config.length);
        let drawn = draws.map(|sample| self.windows.row(sample)).scan(0, |tokens, row| {
            let more = *tokens < room;
            *tokens += row.length;
            more.then_some(row)
        });
        let mut packs = self.pack(drawn.collect());
        packs.sort_by_key(|(left, _)| *left);
        packs.truncate(self.config.packs_per_step);
        self.group(&packs).plan(Position { step: from.step + 1, ..from })
    }
}
