//! Windows: parts of an epoch that are short enough to be planned at once.
//!
//! A rule that sorts by length cannot sort a whole epoch, because a resumed run would have to repeat that, and rows of
//! equal length would always meet. It sorts windows of the shuffled order instead. The window of a sample follows from
//! its position alone, so resuming costs the planning of one window.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;

use rayon::prelude::*;

use super::epochs::Epochs;
use super::{BatchingError, Position, SampleRef, StepPlan};
use crate::rng::SeqRng;
use crate::rows::Dataset;
use crate::setting::{self, Setting};

/// The smallest default window. Sorting it takes about a millisecond, and packs of ordinary corpora are then full up
/// to a few per mille.
const WINDOW: usize = 8192;
/// The fewest steps in a default window. The steps of a window have equal sizes instead of a small last one; rounding
/// up to whole steps then leaves at most 1/32 empty.
const STEPS: u64 = 32;

/// A sample and its length in tokens, special tokens included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) sample: SampleRef,
    pub(super) length: usize,
}

/// The rows of one step: its micro-batches, and, if rows are packed, the number of rows of each pack.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) micro: Vec<Vec<SampleRef>>,
    pub(super) packs: Option<Vec<Vec<usize>>>,
}

impl Group {
    /// Makes the plan of this group, which ends at `end`.
    pub(super) fn plan(self, end: Position) -> StepPlan {
        StepPlan { packs: self.packs, ..StepPlan::new(self.micro, end) }
    }
}

/// The windows of the epochs of a data set.
#[derive(Clone)]
pub(super) struct Windows {
    rows: Arc<dyn Dataset>,
    epochs: Epochs,
    seed: u64,
    /// The number of tokens of the longest row.
    longest: usize,
    /// The number of windows of an epoch. Their sizes differ by at most one row, so that the last one is not small.
    count: u64,
}

impl Windows {
    /// Makes windows of about `size` rows, or by default of so many rows that a window holds enough steps of
    /// `step_tokens` tokens.
    ///
    /// # Errors
    /// If there are no rows, `size` is 0, or a row is longer than `limit`, which is the value of `setting`.
    pub(super) fn new(
        seed: u64,
        rows: Arc<dyn Dataset>,
        size: Option<usize>,
        step_tokens: usize,
        (setting, limit): (Setting, usize),
    ) -> Result<Self, BatchingError> {
        let len = rows.len();
        // Finds the first of the longest rows, and the total number of tokens.
        let (longest, tokens) = (0..len)
            .into_par_iter()
            .map(|index| (rows.row_length(index), Reverse(index)))
            .map(|row| (row, row.0 as u64))
            .reduce(|| ((0, Reverse(len)), 0), |a, b| (a.0.max(b.0), a.1.saturating_add(b.1)));
        let (length, Reverse(index)) = longest;
        let mean_length = (tokens / len.max(1)).max(1);
        let default = (STEPS.saturating_mul(step_tokens as u64) / mean_length).max(WINDOW as u64);
        match size.map_or(default, |size| size as u64) {
            _ if len == 0 => Err(BatchingError::Empty),
            0 => Err(BatchingError::Zero(setting::WINDOW)),
            _ if length > limit => {
                let row = rows.key(index).to_string();
                Err(BatchingError::RowTooLong { row, length, setting, limit })
            }
            size => {
                let count = len.div_ceil(size);
                let epochs = Epochs::new(seed, len);
                Ok(Self { rows, epochs, seed, longest: length.max(1), count })
            }
        }
    }

    /// The number of tokens of the longest row.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The row of a sample. A row without tokens counts as one token, so that a token budget also bounds the number of
    /// rows.
    pub(super) fn row(&self, sample: SampleRef) -> Row {
        Row { sample, length: self.rows.row_length(sample.index).max(1) }
    }

    /// The steps from `from` on, where `cut` makes the steps of one window. If `from` lies within a step, because it
    /// was saved under another rule, that step is repeated from its beginning, so that no row is lost.
    pub(super) fn steps(
        &self,
        from: Position,
        cut: impl Fn(Vec<Row>, &mut SeqRng) -> Vec<Group> + Send + 'static,
    ) -> impl Iterator<Item = StepPlan> + Send + 'static {
        let (mut windows, mut at, mut ready) = (self.clone(), from, VecDeque::new());
        std::iter::from_fn(move || {
            while ready.is_empty() {
                let start = windows.start(at.sample);
                ready = windows.cut(start, &cut).into();
                // Steps before the position are skipped. From then on the position is the beginning of a step.
                let mut begin = start;
                while let Some((_, size)) = ready.front().filter(|(_, n)| begin + n <= at.sample) {
                    begin += size;
                    ready.pop_front();
                }
                at.sample = begin;
            }
            let (group, size) = ready.pop_front()?;
            at = Position { step: at.step + 1, sample: at.sample + size };
            Some(group.plan(at))
        })
    }

    /// The steps of the window that starts at sample `start`, each with its number of rows.
    fn cut(
        &mut self,
        start: u64,
        cut: impl Fn(Vec<Row>, &mut SeqRng) -> Vec<Group>,
    ) -> Vec<(Group, u64)> {
        let end = self.bound(start, self.number(start) + 1);
        let samples: Vec<_> = (start..end).map(|sample| self.epochs.at(sample)).collect();
        let rows = samples.into_iter().map(|sample| self.row(sample)).collect();
        let mut rng = SeqRng::new(self.seed, "batching.window", start, 0);
        let sized = |group: Group| {
            let size = group.micro.iter().map(|micro| micro.len() as u64).sum();
            (group, size)
        };
        cut(rows, &mut rng).into_iter().map(sized).collect()
    }

    /// The first sample of the window that holds `sample`.
    fn start(&self, sample: u64) -> u64 {
        self.bound(sample, self.number(sample))
    }

    /// The number, within its epoch, of the window that holds `sample`: the largest whose first position is not beyond
    /// it.
    fn number(&self, sample: u64) -> u64 {
        let len = u128::from(self.epochs.len());
        let next = u128::from(sample % self.epochs.len()) + 1;
        ((next * u128::from(self.count) - 1) / len) as u64
    }

    /// The first sample of window `number` of the epoch that holds `sample`.
    fn bound(&self, sample: u64, number: u64) -> u64 {
        let len = self.epochs.len();
        let place = u128::from(len) * u128::from(number) / u128::from(self.count);
        sample - sample % len + place as u64
    }
}
