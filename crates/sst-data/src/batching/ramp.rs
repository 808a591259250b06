//! Batch-size warm-up: small updates first, many of them for the same number of samples.

use serde::{Deserialize, Serialize};

/// Samples of an update that grow linearly from `from` over `steps` updates.
///
/// Early gradients agree with each other, so that a large batch then wastes samples (McCandlish et
/// al. 2018, "An Empirical Model of Large-Batch Training"; Brown et al. 2020, section 2.3, grow it
/// linearly). For [`FixedBatches`](super::FixedBatches) alone: the steps of a budget or of packs are
/// cut from a whole window, so their sizes cannot follow the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeRamp {
    /// Samples of the first update.
    pub from: usize,
    /// Updates until the full size is reached.
    pub steps: u64,
}

impl SizeRamp {
    /// The samples of update `step` (from 0), rounded down; `full` from update `steps` on.
    pub fn size(self, step: u64, full: usize) -> usize {
        grow(self.from, full, step, self.steps)
    }
}

/// `from` at step 0, `full` from step `steps` on, linear and rounded down between.
pub(super) fn grow(from: usize, full: usize, step: u64, steps: u64) -> usize {
    if step >= steps {
        return full;
    }
    let grown = (full.saturating_sub(from)) as u128 * u128::from(step) / u128::from(steps);
    from.min(full) + grown as usize
}
