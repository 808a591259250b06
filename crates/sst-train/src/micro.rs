//! Smaller micro-batches where memory does not suffice.

use sst_core::Error;
use sst_data::Normalizer;
use sst_data::loader::{Loader, StepData};
use tch::TchError;

use crate::error::TrainError;
use crate::row_keys::keys;

/// How the micro-batches of the plan are cut. Losses are sums over their rows, divided by the units of the
/// whole step, so a cut changes the gradient by no more than rounding (and by which elements dropout
/// picks). Once cut, the rest of the run stays so, and its resumed parts too: they are then the same bit
/// for bit. The parts are collated anew in the training thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Micro {
    halvings: u32,
}

impl Micro {
    pub(crate) fn new(halvings: u32) -> Self {
        Self { halvings }
    }

    /// How often the micro-batches of the plan were cut in half.
    pub(crate) fn halvings(self) -> u32 {
        self.halvings
    }

    /// The step with its micro-batches cut; `None` if they stay as they are in `whole`.
    pub(crate) fn cut(
        self,
        whole: &StepData,
        loader: &Loader,
    ) -> Result<Option<StepData>, TrainError> {
        if self.halvings == 0 {
            return Ok(None);
        }
        let cut = loader.make(whole.plan.cut(self.parts()))?;
        let (units, before) = (count(&cut), count(whole));
        if units == before {
            return Ok(Some(cut));
        }
        let message = format!(
            "the batches of a step count {before} units, and smaller ones of the same rows {units}: the \
             objective's collate must not depend on how rows are grouped"
        );
        Err(Error::Contract(message).into())
    }

    fn parts(self) -> usize {
        1_usize.checked_shl(self.halvings).unwrap_or(usize::MAX)
    }

    /// Whether smaller micro-batches can help after `error`, which is of memory, at step `step` (from 1).
    ///
    /// # Errors
    /// If the objective needs all rows at once, or one row alone is too much.
    pub(crate) fn check_can_halve(
        self,
        step: u64,
        whole: &StepData,
        objective: &'static str,
        error: &TrainError,
    ) -> Result<(), TrainError> {
        if whole.micro.iter().any(|batch| batch.normalizer == Normalizer::WholeBatch) {
            return Err(TrainError::WholeBatchMemory { step, objective });
        }
        let rows = whole.plan.largest_micro();
        if self.parts() >= rows {
            let reason = error.to_string();
            return Err(TrainError::OutOfMemory { step, reason, keys: keys(whole) });
        }
        Ok(())
    }

    /// Cuts once more from step `step` (from 1) on. `error` is what libtorch said, if this rank is the one that ran out
    /// of memory.
    pub(crate) fn halve(&mut self, step: u64, whole: &StepData, error: Option<&TrainError>) {
        self.halvings += 1;
        let rows = whole.plan.largest_micro().div_ceil(self.parts());
        let reason = error.map_or("another rank ran out of memory".to_owned(), ToString::to_string);
        tracing::warn!("step {step}: {reason}; going on with {rows} rows at a time");
    }
}

fn count(data: &StepData) -> u64 {
    let counts = data.micro.iter().map(|batch| match batch.normalizer {
        Normalizer::Count(count) => count,
        Normalizer::WholeBatch => 0,
    });
    counts.sum()
}

/// Whether libtorch says that memory did not suffice. It says so in words only.
pub(crate) fn is_out_of_memory(error: &TrainError) -> bool {
    let TrainError::Core(Error::Torch(TchError::Torch(text))) = error else { return false };
    [
        "CUDA out of memory",
        "CUDA error: out of memory",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "DefaultCPUAllocator: can't allocate memory",
        "DefaultCPUAllocator: not enough memory",
    ]
    .iter()
    .any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn libtorchs_own_words_are_known() {
        let options = (Kind::Float, Device::Cpu);
        let memory = Tensor::f_zeros([1 << 46], options).unwrap_err();
        assert!(is_out_of_memory(&memory.into()));
        let shape = Tensor::f_zeros([2], options).unwrap().f_reshape([3]).unwrap_err();
        assert!(!is_out_of_memory(&shape.into()));
    }
}
