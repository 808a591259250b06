//! The counts of a step, which are known before its forward pass.

use sst_core::Ranks;
use sst_data::Normalizer;
use sst_data::loader::StepData;

use crate::error::TrainError;

/// The counts of all batches of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    /// The number that the summed loss of the step is divided by. It is 1 for a loss over the whole batch, which is a
    /// mean already.
    pub(super) normalizer: u64,
    /// The number of tokens, without padding.
    pub(super) useful_tokens: u64,
    /// The number of tokens that are computed, padding included.
    pub(super) padded_tokens: u64,
}

impl Counts {
    /// The counts of this rank's batches.
    ///
    /// # Errors
    /// If the loss of `objective` is one over the whole batch, and the batch is spread over several micro-batches or
    /// ranks.
    pub(super) fn of_step(
        data: &StepData,
        objective: &'static str,
        world: usize,
    ) -> Result<Self, TrainError> {
        let mut normalizer = 0;
        for batch in &data.micro {
            match batch.normalizer {
                Normalizer::Count(count) => normalizer += count,
                Normalizer::WholeBatch if world > 1 => {
                    return Err(TrainError::WholeBatchRanks { objective, world });
                }
                Normalizer::WholeBatch if data.micro.len() == 1 => normalizer = 1,
                Normalizer::WholeBatch => {
                    return Err(TrainError::WholeBatch { objective, micro: data.micro.len() });
                }
            }
        }
        let useful_tokens = data.micro.iter().map(|batch| batch.useful_tokens).sum();
        let padded_tokens = data.micro.iter().map(|batch| batch.padded_tokens).sum();
        Ok(Self { normalizer, useful_tokens, padded_tokens })
    }

    /// The sums of the counts over all ranks.
    pub(super) fn sum_over_ranks(self, ranks: &dyn Ranks) -> Result<Self, TrainError> {
        let mut counts = [self.normalizer, self.useful_tokens, self.padded_tokens];
        ranks.sum(&mut counts)?;
        let [normalizer, useful_tokens, padded_tokens] = counts;
        Ok(Self { normalizer, useful_tokens, padded_tokens })
    }
}
