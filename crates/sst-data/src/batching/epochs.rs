//! The samples of a run in order: epoch after epoch, each with its own permutation.

use super::SampleRef;
use crate::order::Permutation;

/// Sample `p` of the run is the entry `p % len` of the permutation of epoch `p / len`.
#[derive(Debug, Clone)]
pub(super) struct Epochs {
    seed: u64,
    len: u64,
    /// The permutation of the last requested epoch, which is nearly always also the next one.
    epoch: u64,
    order: Permutation,
}

impl Epochs {
    /// Makes epochs of `len` samples, which must not be 0.
    pub(super) fn new(seed: u64, len: u64) -> Self {
        Self { seed, len, epoch: 0, order: Permutation::new(seed, 0, len) }
    }

    /// The number of samples of an epoch.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Sample `sample` of the run.
    pub(super) fn at(&mut self, sample: u64) -> SampleRef {
        let epoch = sample / self.len;
        if epoch != self.epoch {
            self.order = Permutation::new(self.seed, epoch, self.len);
            self.epoch = epoch;
        }
        SampleRef { epoch, index: self.order.at(sample % self.len) }
    }
}
