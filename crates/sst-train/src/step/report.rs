//! The result of a step.

use sst_data::batching::Pool;
use sst_data::loader::StepData;
use tch::Tensor;

use super::counts::Counts;
use crate::sums::Sums;

/// The result of a step, for the metrics.
#[derive(Debug)]
pub(crate) struct StepReport {
    /// The sums over all micro-batches and ranks.
    pub(crate) sums: Sums,
    /// The gradient norm before clipping, an f64 scalar on the device.
    pub(crate) grad_norm: Tensor,
    /// The number that the sums are divided by; 0 if the step was skipped.
    pub(crate) normalizer: u64,
    /// The number of tokens of all ranks, without padding.
    pub(crate) useful_tokens: u64,
    /// The number of tokens of all ranks that were computed, padding included.
    pub(crate) padded_tokens: u64,
    /// The rows that a curriculum drew from.
    pub(crate) pool: Option<Pool>,
}

impl StepReport {
    /// The result of a step with the data `planned` and a gradient norm of 0.
    pub(super) fn new(sums: Sums, counts: Counts, planned: &StepData) -> Self {
        let Counts { normalizer, useful_tokens, padded_tokens } = counts;
        let (grad_norm, pool) = (sums.loss.zeros_like(), planned.plan.pool);
        Self { sums, grad_norm, normalizer, useful_tokens, padded_tokens, pool }
    }
}
