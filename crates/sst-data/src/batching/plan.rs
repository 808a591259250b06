//! The plan of a step: its samples, their division into micro-batches, and the share of each rank.

use serde::{Deserialize, Serialize};

/// One sample of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SampleRef {
    /// The epoch, from 0. Every random draw for the sample is keyed by its epoch and index.
    pub epoch: u64,
    /// The index in the data set.
    pub index: u64,
}

/// A position in the sequence of steps. A run resumes from these two numbers alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Steps taken since the start of the run.
    pub step: u64,
    /// Samples drawn from the epochs since the start of the run, over all ranks.
    pub sample: u64,
}

/// The rows, ranked by difficulty, that a step of a curriculum drew from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The number of all rows.
    pub rows: u64,
    /// The number of easiest rows that the step could draw from.
    pub open: u64,
    /// The rank of the hardest row that the step drew, from 1.
    pub hardest: u64,
}

/// The samples of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPlan {
    /// The micro-batches, in order. Gradients are summed over them before the update. Packed rows are listed
    /// pack by pack.
    pub micro: Vec<Vec<SampleRef>>,
    /// For packed rows: the number of rows of each pack of each micro-batch.
    pub packs: Option<Vec<Vec<usize>>>,
    /// Rows longer than this are split into pieces, each of which is a row of its own; `None`
    /// leaves rows whole, as they always are in packs. In tokens, special ones included.
    pub max_row_length: Option<usize>,
    /// The rows that a curriculum drew from; `None` without a curriculum.
    pub pool: Option<Pool>,
    /// The position after this step.
    pub end: Position,
}

impl StepPlan {
    /// A plan of whole, unpacked rows.
    pub fn new(micro: Vec<Vec<SampleRef>>, end: Position) -> Self {
        Self { micro, packs: None, max_row_length: None, pool: None, end }
    }

    /// The part of rank `rank` of `world`: a contiguous share of each micro-batch, whose sizes
    /// differ by one sample at most, or one pack where rows are packed, since a pack is never cut.
    /// The shares of all ranks, one after the other, are the whole micro-batch again. A micro-batch
    /// smaller than `world` leaves some ranks without a share of it: such empty shares are left out.
    pub fn part(&self, rank: usize, world: usize) -> Self {
        let share = |count: usize| {
            let world = world.max(1);
            let bound = |r: usize| count * r.min(world) / world;
            bound(rank)..bound(rank + 1)
        };
        let whole = Self { micro: Vec::new(), packs: None, ..*self };
        let Some(packs) = &self.packs else {
            let shares = self.micro.iter().map(|micro| micro[share(micro.len())].to_vec());
            return Self { micro: shares.filter(|part| !part.is_empty()).collect(), ..whole };
        };
        let (micro, packs) = self
            .micro
            .iter()
            .zip(packs)
            .map(|(micro, packs)| {
                let range = share(packs.len());
                let first: usize = packs[..range.start].iter().sum();
                let packs = packs[range].to_vec();
                (micro[first..first + packs.iter().sum::<usize>()].to_vec(), packs)
            })
            .filter(|(micro, _)| !micro.is_empty())
            .unzip();
        Self { micro, packs: Some(packs), ..whole }
    }

    /// The same step with each micro-batch cut into at most `parts` parts. All parts but the last are equal in size. A
    /// pack is never cut.
    pub fn cut(&self, parts: usize) -> Self {
        let packed = self.packs.is_some();
        let (mut micro, mut packs) = (Vec::new(), Vec::new());
        for (number, samples) in self.micro.iter().enumerate() {
            let sizes = match &self.packs {
                Some(packs) => packs[number].clone(),
                None => vec![1; samples.len()],
            };
            let mut rest = &samples[..];
            for sizes in sizes.chunks(sizes.len().div_ceil(parts.max(1)).max(1)) {
                let (part, others) = rest.split_at(sizes.iter().sum());
                micro.push(part.to_vec());
                packs.push(sizes.to_vec());
                rest = others;
            }
        }
        Self { micro, packs: packed.then_some(packs), ..*self }
    }

    /// The number of rows of the largest micro-batch, or of packs if rows are packed.
    pub fn largest_micro(&self) -> usize {
        let sizes: Vec<usize> = match &self.packs {
            Some(packs) => packs.iter().map(Vec::len).collect(),
            None => self.micro.iter().map(Vec::len).collect(),
        };
        sizes.into_iter().max().unwrap_or(0)
    }

    /// The number of samples. A sample that is split into pieces counts once.
    pub fn num_samples(&self) -> usize {
        self.micro.iter().map(Vec::len).sum()
    }
}
