//! Batches of packs. A pack concatenates rows until hardly any room is left.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::window::{Group, Row, Windows};
use super::{Batching, BatchingError, Fill, Position, SampleRef, StepPlan};
use crate::rng::SeqRng;
use crate::rows::Dataset;
use crate::setting;

/// The sizes of [`Packed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackConfig {
    /// The most tokens of a pack.
    pub length: usize,
    /// The number of packs in a step.
    pub packs_per_step: usize,
    /// The number of packs in a micro-batch. The last micro-batch of a step may have fewer.
    pub micro_packs: usize,
    /// The number of rows in a window. `None` uses 8,192, or more if a window would have fewer than 32 steps.
    pub window: Option<usize>,
}

/// Concatenates rows into packs of at most `length` tokens, with a fixed number of packs in a step. Every epoch has
/// each row once, and rows are never cut.
///
/// The rows of a window are packed by best-fit decreasing (Johnson 1973; for pre-training, Krell et al. 2021,
/// "Efficient Sequence Packing without Cross-contamination", and Ding et al. 2024, "Fewer Truncations Improve Language
/// Modeling"). This puts packs with long rows first and packs of leftovers last, so the packs are shuffled before they
/// become steps. The steps of a window differ by at most one pack.
#[derive(Clone)]
pub struct Packed {
    windows: Windows,
    config: PackConfig,
}

/// The rows of a pack.
type Pack = Vec<SampleRef>;

impl Packed {
    /// Packs the rows of `rows`. The lengths of all rows are read once, in parallel.
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
            (0, _, _) => return Err(BatchingError::Zero(setting::PACK_LENGTH)),
            (_, 0, _) => return Err(BatchingError::Zero(setting::PACKS_PER_STEP)),
            (_, _, 0) => return Err(BatchingError::Zero(setting::MICRO_PACKS)),
            _ if micro > packs => return Err(BatchingError::MicroOverPacks { micro, packs }),
            _ => {}
        }
        let limit = (setting::PACK_LENGTH, length);
        let windows = Windows::new(seed, rows, window, packs.saturating_mul(length), limit)?;
        Ok(Self { windows, config })
    }

    /// The fraction of the room in the packs of `plan` that holds tokens, in `[0, 1]`.
    pub fn fill_rate(&self, plan: &StepPlan) -> f64 {
        let packs: usize = plan.packs.iter().flatten().map(Vec::len).sum();
        let samples = plan.micro.iter().flatten();
        let tokens: usize = samples.map(|sample| self.windows.row(*sample).length).sum();
        tokens as f64 / (packs * self.config.length).max(1) as f64
    }

    /// Best-fit decreasing: each row, from the longest to the shortest, goes to the fullest pack that has room for it.
    /// Each pack comes with the room that is left in it.
    fn pack(&self, mut rows: Vec<Row>) -> Vec<(usize, Pack)> {
        // The sort is stable, so rows of equal length keep their random order.
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
    /// Draws as many tokens as the packs have room for, packs them, and keeps the fullest packs. Stopping at the first
    /// row that does not fit would leave a quarter of the room empty.
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
