//! Which samples make up a step, as a pure function of a position of two integers.

use serde::{Deserialize, Serialize};

use crate::order::Permutation;

/// One sample of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SampleRef {
    /// The epoch, from 0.
    pub epoch: u64,
    /// The index in the data set.
    pub index: u64,
}

/// A place in the stream of steps: all that a resumed run needs to go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Steps taken since the start of the run.
    pub step: u64,
    /// Samples drawn since the start of the run, over all ranks.
    pub sample: u64,
}

/// The samples of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPlan {
    /// The micro-batches, in order; losses are summed over them before the update.
    pub micro: Vec<Vec<SampleRef>>,
    /// The position after this step.
    pub end: Position,
}

impl StepPlan {
    /// The part of rank `rank` of `world`: a contiguous share of each micro-batch, whose sizes
    /// differ by one sample at most. The shares of all ranks, one after the other, are the whole
    /// micro-batch again. A micro-batch smaller than `world` leaves some ranks without a share of
    /// it: such empty shares are left out.
    pub fn part(&self, rank: usize, world: usize) -> Self {
        let world = world.max(1);
        let share = |micro: &Vec<SampleRef>| {
            let bound = |r: usize| micro.len() * r.min(world) / world;
            micro[bound(rank)..bound(rank + 1)].to_vec()
        };
        let micro = self.micro.iter().map(share).filter(|part| !part.is_empty()).collect();
        Self { micro, end: self.end }
    }

    /// The number of samples.
    pub fn num_samples(&self) -> usize {
        self.micro.iter().map(Vec::len).sum()
    }
}

/// A rule that groups samples into steps. Pure: the same position gives the same steps.
pub trait Batching: Send + Sync {
    /// The steps from `from` on; endless unless the rule says otherwise.
    fn steps(&self, from: Position) -> Box<dyn Iterator<Item = StepPlan> + Send>;
}

/// A batching rule that cannot work.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BatchingError {
    /// No samples.
    #[error("the data set has no rows: check data.paths, data.clean and data.validation")]
    Empty,
    /// A size of zero.
    #[error("train.{0} must be at least 1")]
    Zero(&'static str),
    /// A micro-batch larger than the batch.
    #[error("train.micro_batch_size ({micro}) is larger than train.batch_size ({batch})")]
    MicroTooLarge {
        /// Samples in a micro-batch.
        micro: usize,
        /// Samples in a batch.
        batch: usize,
    },
}

/// Batches of a fixed number of samples.
///
/// Sample `p` of the run is place `p % len` of the permutation of epoch `p / len`. A batch may
/// straddle two epochs, so that nothing is dropped and every update sees as many samples.
#[derive(Debug, Clone)]
pub struct FixedBatches {
    seed: u64,
    len: u64,
    batch_size: usize,
    micro_batch_size: usize,
}

impl FixedBatches {
    /// Batches of `batch_size` samples out of `len`, in micro-batches of `micro_batch_size` (the
    /// last one may be smaller).
    ///
    /// # Errors
    /// If a size is zero, or the micro-batch is larger than the batch.
    pub fn new(
        seed: u64,
        len: u64,
        batch_size: usize,
        micro_batch_size: usize,
    ) -> Result<Self, BatchingError> {
        match (len, batch_size, micro_batch_size) {
            (0, _, _) => Err(BatchingError::Empty),
            (_, 0, _) => Err(BatchingError::Zero("batch_size")),
            (_, _, 0) => Err(BatchingError::Zero("micro_batch_size")),
            (_, batch, micro) if micro > batch => {
                Err(BatchingError::MicroTooLarge { micro, batch })
            }
            _ => Ok(Self { seed, len, batch_size, micro_batch_size }),
        }
    }
}

impl Batching for FixedBatches {
    fn steps(&self, from: Position) -> Box<dyn Iterator<Item = StepPlan> + Send> {
        let epoch = from.sample / self.len;
        let order = Permutation::new(self.seed, epoch, self.len);
        Box::new(FixedSteps { rule: self.clone(), order, epoch, at: from })
    }
}

/// The endless steps of [`FixedBatches`].
struct FixedSteps {
    rule: FixedBatches,
    order: Permutation,
    epoch: u64,
    at: Position,
}

impl FixedSteps {
    fn draw(&mut self) -> SampleRef {
        let FixedBatches { seed, len, .. } = self.rule;
        let epoch = self.at.sample / len;
        if epoch != self.epoch {
            self.order = Permutation::new(seed, epoch, len);
            self.epoch = epoch;
        }
        let index = self.order.at(self.at.sample % len);
        self.at.sample += 1;
        SampleRef { epoch, index }
    }
}

impl Iterator for FixedSteps {
    type Item = StepPlan;

    fn next(&mut self) -> Option<StepPlan> {
        let samples: Vec<_> = (0..self.rule.batch_size).map(|_| self.draw()).collect();
        self.at.step += 1;
        let micro = samples.chunks(self.rule.micro_batch_size).map(<[_]>::to_vec).collect();
        Some(StepPlan { micro, end: self.at })
    }
}
