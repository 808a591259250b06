//! Batch-size warm-up: training starts with small updates, and therefore makes more updates with the same number of
//! samples.

use serde::{Deserialize, Serialize};

/// The number of samples of an update, which grows linearly from `from` to the full size over `steps` updates.
///
/// The gradients of early updates agree with each other, so a large batch would waste samples (McCandlish et al. 2018,
/// "An Empirical Model of Large-Batch Training"; Brown et al. 2020, section 2.3, grow it linearly). Only
/// [`FixedBatches`](super::FixedBatches) supports it. The steps of a token budget or of packs are cut from a whole
/// window, so their sizes cannot depend on the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeRamp {
    /// The number of samples of the first update.
    pub from: usize,
    /// The number of updates until the full size is reached.
    pub steps: u64,
}

impl SizeRamp {
    /// The number of samples of update `step` (from 0), rounded down; `full` from update `steps` on.
    pub fn size(self, step: u64, full: usize) -> usize {
        grow(self.from, full, step, self.steps)
    }
}

/// Interpolates linearly, rounded down: `from` at step 0, `full` from step `steps` on.
pub(super) fn grow(from: usize, full: usize, step: u64, steps: u64) -> usize {
    if step >= steps {
        return full;
    }
    let grown = (full.saturating_sub(from)) as u128 * u128::from(step) / u128::from(steps);
    from.min(full) + grown as usize
}
