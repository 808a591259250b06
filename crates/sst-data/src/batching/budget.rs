//! Steps that hold as many rows as fit a budget of tokens.

use std::cmp::Reverse;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::window::{Group, Row, Windows};
use super::{Batching, BatchingError, Fill, Position, SampleRef, StepPlan};
use crate::rng::SeqRng;
use crate::rows::Dataset;
use crate::setting;

/// How the tokens of a micro-batch are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cost {
    /// The longest row times the number of rows: all tokens that are computed, padding included.
    #[default]
    Padded,
    /// The sum of the lengths, for layouts without padding.
    Real,
}

impl Cost {
    /// The cost of a micro-batch of rows of these lengths.
    pub fn of(self, lengths: impl IntoIterator<Item = usize>) -> usize {
        let (mut rows, mut longest, mut sum) = (0, 0, 0);
        for length in lengths {
            (rows, longest, sum) = (rows + 1, longest.max(length), sum + length);
        }
        self.rate(rows, longest, sum)
    }

    fn rate(self, rows: usize, longest: usize, sum: usize) -> usize {
        match self {
            Self::Padded => rows * longest,
            Self::Real => sum,
        }
    }
}

/// The sizes of a [`TokenBudget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetConfig {
    /// The most tokens of a step, over all its micro-batches.
    pub max_tokens: usize,
    /// The most tokens of a micro-batch.
    pub micro_max_tokens: usize,
    /// How tokens are counted.
    pub cost: Cost,
    /// Rows in a window; `None` takes 8,192, or more if a window would hold fewer than 32 steps.
    pub window: Option<usize>,
}

impl BudgetConfig {
    /// One micro-batch a step, of `max_tokens` with padding.
    pub fn new(max_tokens: usize) -> Self {
        Self { max_tokens, micro_max_tokens: max_tokens, cost: Cost::Padded, window: None }
    }
}

/// Steps of as many rows as fit a budget of tokens. Every epoch shows each row once.
///
/// With [`Cost::Padded`], the rows of a window are sorted by length and cut into micro-batches of
/// similar lengths, because rows are padded to the longest of their micro-batch. A step, in contrast, gets
/// micro-batches of different lengths: the micro-batches of the window are divided into strata of length, and
/// a step takes one of each. Otherwise each update would be biased towards short or long rows. If a step is
/// a single micro-batch, only the order of the steps can be shuffled.
///
/// With [`Cost::Real`], rows are not sorted and stay in the random order of the epoch.
///
/// The steps of a window are of about the same size; the last one is not smaller. A step never reaches into the next epoch, so an epoch that is smaller than the
/// budget is a step by itself.
#[derive(Clone)]
pub struct TokenBudget {
    windows: Windows,
    cost: Cost,
    max_tokens: usize,
    /// The most micro-batches of a step, and the most tokens of each.
    parts: usize,
    cap: usize,
}

impl TokenBudget {
    /// Steps over `rows`. The length of every row is read once, in parallel.
    ///
    /// # Errors
    /// If there are no rows, a size is 0, the micro-batch is larger than the step, or a row alone
    /// is over budget.
    pub fn new(
        seed: u64,
        rows: Arc<dyn Dataset>,
        config: BudgetConfig,
    ) -> Result<Self, BatchingError> {
        let BudgetConfig { max_tokens, micro_max_tokens: micro, cost, window } = config;
        let limit = match (max_tokens, micro) {
            (0, _) => return Err(BatchingError::Zero(setting::MAX_TOKENS)),
            (_, 0) => return Err(BatchingError::Zero(setting::MICRO_MAX_TOKENS)),
            (max, micro) if micro > max => {
                return Err(BatchingError::MicroOverBudget { micro, max });
            }
            (max, micro) if micro == max => (setting::MAX_TOKENS, max),
            (_, micro) => (setting::MICRO_MAX_TOKENS, micro),
        };
        let windows = Windows::new(seed, rows, window, max_tokens, limit)?;
        // A budget of 2.5 micro-batches becomes three smaller micro-batches, if every row fits into them.
        let (parts, cap) = match max_tokens.div_ceil(micro) {
            parts if windows.longest() <= max_tokens / parts => (parts, max_tokens / parts),
            _ => (max_tokens / micro, micro),
        };
        Ok(Self { windows, cost, max_tokens, parts, cap })
    }

    /// Sorts rows, the longest first, if padding counts.
    fn sort(&self, rows: &mut [Row]) {
        if self.cost == Cost::Padded {
            // Stable, so that rows of one length stay in their random order.
            rows.sort_by_key(|row| Reverse(row.length));
        }
    }

    /// The end of each micro-batch if sorted rows are cut into as few micro-batches of at most `cap` tokens as possible.
    fn ends(&self, rows: &[Row], cap: usize) -> Vec<usize> {
        let mut ends = Vec::new();
        let (mut count, mut longest, mut sum) = (0, 0, 0);
        for (place, row) in rows.iter().enumerate() {
            let (l, s) = (longest.max(row.length), sum + row.length);
            if count > 0 && self.cost.rate(count + 1, l, s) > cap {
                ends.push(place);
                (count, longest, sum) = (1, row.length, row.length);
            } else {
                (count, longest, sum) = (count + 1, l, s);
            }
        }
        ends.push(rows.len());
        ends
    }

    /// Cuts rows into at most `count` micro-batches, if that is possible, such that the largest of them is as small as
    /// possible.
    fn level(&self, rows: &[Row], count: usize) -> Vec<Vec<SampleRef>> {
        // A smaller limit never needs fewer micro-batches, so bisection finds the smallest limit.
        let (mut low, mut high) = (rows.iter().map(|row| row.length).max().unwrap_or(0), self.cap);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.ends(rows, middle).len() <= count {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        self.split(rows, high)
    }

    fn split(&self, rows: &[Row], cap: usize) -> Vec<Vec<SampleRef>> {
        let mut start = 0;
        let micro = |end| {
            let micro = rows[start..end].iter().map(|row| row.sample).collect();
            start = end;
            micro
        };
        self.ends(rows, cap).into_iter().map(micro).collect()
    }

    /// The steps of one window, in order.
    fn cut(&self, mut rows: Vec<Row>, rng: &mut SeqRng) -> Vec<Group> {
        self.sort(&mut rows);
        let needed = self.ends(&rows, self.cap).len();
        let num_steps = needed.div_ceil(self.parts);
        // Every step gets the same number of micro-batches, which may make them smaller.
        let mut micro = self.level(&rows, needed.div_ceil(num_steps) * num_steps).into_iter();
        let mut steps: Vec<_> = std::iter::repeat_with(Group::default).take(num_steps).collect();
        // A stratum is as many neighbouring micro-batches as there are steps, and each step gets one of them.
        // The longest come first, so that a step that does not fit into device memory fails at its start.
        while micro.len() > 0 {
            rng.shuffle(&mut steps);
            for (step, micro) in steps.iter_mut().zip(micro.by_ref()) {
                step.micro.push(micro);
            }
        }
        rng.shuffle(&mut steps);
        steps
    }
}

impl Batching for TokenBudget {
    fn steps(&self, from: Position) -> Box<dyn Iterator<Item = StepPlan> + Send> {
        let rule = self.clone();
        Box::new(self.windows.steps(from, move |rows, rng| rule.cut(rows, rng)))
    }
}

impl Fill for TokenBudget {
    fn fill(&self, from: Position, draws: &mut dyn Iterator<Item = SampleRef>) -> StepPlan {
        let fits = |tokens: &mut usize, row: Row| {
            *tokens += row.length;
            (*tokens <= self.max_tokens).then_some(row)
        };
        let drawn: Vec<_> = draws.map(|s| self.windows.row(s)).scan(0, fits).collect();
        // With padding not all of these may fit. The step takes the longest prefix that does; a single row always
        // fits.
        let sorted = |count: usize| {
            let mut rows = drawn[..count].to_vec();
            self.sort(&mut rows);
            rows
        };
        let (mut low, mut high) = (1.min(drawn.len()), drawn.len());
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.ends(&sorted(middle), self.cap).len() <= self.parts {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        let micro = self.split(&sorted(low), self.cap);
        StepPlan::new(micro, Position { step: from.step + 1, ..from })
    }
}
