//! Batches of a fixed number of samples.

use super::epochs::Epochs;
use super::{Batching, BatchingError, Fill, Position, SampleRef, SizeRamp, StepPlan};
use crate::setting;

/// Batches of a fixed number of samples.
///
/// Sample `p` of the run is the entry `p % len` of the permutation of epoch `p / len`. A batch may extend over two
/// epochs, so that no sample is dropped and every update has as many samples.
#[derive(Debug, Clone)]
pub struct FixedBatches {
    epochs: Epochs,
    batch_size: usize,
    micro_batch_size: usize,
    ramp: Option<SizeRamp>,
}

impl FixedBatches {
    /// Makes batches of `batch_size` samples out of `len`, in micro-batches of `micro_batch_size` samples (the last
    /// one may be smaller).
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
            (_, 0, _) => Err(BatchingError::Zero(setting::BATCH_SIZE)),
            (_, _, 0) => Err(BatchingError::Zero(setting::MICRO_BATCH_SIZE)),
            (_, batch, micro) if micro > batch => {
                Err(BatchingError::MicroTooLarge { micro, batch })
            }
            _ => {
                let epochs = Epochs::new(seed, len);
                Ok(Self { epochs, batch_size, micro_batch_size, ramp: None })
            }
        }
    }

    /// The same batches, whose size grows from a smaller one at the start of the run.
    ///
    /// # Errors
    /// If the ramp starts at 0, or above the batch size.
    pub fn with_ramp(self, ramp: SizeRamp) -> Result<Self, BatchingError> {
        match ramp.from {
            0 => Err(BatchingError::Zero(setting::SIZE_RAMP_FROM)),
            from if from > self.batch_size => Err(BatchingError::RampTooHigh {
                setting: setting::SIZE_RAMP_FROM,
                from,
                full: self.batch_size,
            }),
            _ => Ok(Self { ramp: Some(ramp), ..self }),
        }
    }

    /// The number of samples of step `step`, from 0.
    fn size(&self, step: u64) -> usize {
        self.ramp.map_or(self.batch_size, |ramp| ramp.size(step, self.batch_size))
    }

    fn plan(&self, samples: &[SampleRef], end: Position) -> StepPlan {
        StepPlan::new(samples.chunks(self.micro_batch_size).map(<[_]>::to_vec).collect(), end)
    }
}

impl Batching for FixedBatches {
    fn steps(&self, from: Position) -> Box<dyn Iterator<Item = StepPlan> + Send> {
        let (rule, mut epochs, mut at) = (self.clone(), self.epochs.clone(), from);
        Box::new(std::iter::repeat_with(move || {
            let end = at.sample + rule.size(at.step) as u64;
            let samples: Vec<_> = (at.sample..end).map(|sample| epochs.at(sample)).collect();
            at = Position { step: at.step + 1, sample: end };
            rule.plan(&samples, at)
        }))
    }
}

impl Fill for FixedBatches {
    fn fill(&self, from: Position, draws: &mut dyn Iterator<Item = SampleRef>) -> StepPlan {
        let samples: Vec<_> = draws.take(self.size(from.step)).collect();
        self.plan(&samples, Position { step: from.step + 1, ..from })
    }
}
