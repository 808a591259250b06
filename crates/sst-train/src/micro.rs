//! Smaller micro-batches, for when the memory of the device does not suffice for those of the plan.

use sst_core::Error;
use sst_data::Normalizer;
use sst_data::loader::{Loader, StepData};
use tch::TchError;

use crate::error::TrainError;
use crate::row_keys::row_keys;

/// Splits the micro-batches of each step into 2, 4, 8, ... parts, once the device has run out of memory.
///
/// The loss is a sum over rows and is divided by the normaliser of the whole step, so that the parts give the same
/// gradient up to rounding (and up to the elements that dropout draws). The number of parts never decreases, and a
/// checkpoint keeps it, so that a resumed run is the same bit for bit. The training thread collates the parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MicroBatchSplit {
    halvings: u32,
}

impl MicroBatchSplit {
    /// A split into `2^halvings` parts.
    pub(crate) fn new(halvings: u32) -> Self {
        Self { halvings }
    }

    /// How often the micro-batches have been halved.
    pub(crate) fn halvings(self) -> u32 {
        self.halvings
    }

    /// The step `planned` with smaller micro-batches; `None` if they are not split.
    ///
    /// # Errors
    /// If a row cannot be read or collated again, or the normaliser differs from that of `planned`.
    pub(crate) fn split(
        self,
        planned: &StepData,
        loader: &Loader,
    ) -> Result<Option<StepData>, TrainError> {
        if self.halvings == 0 {
            return Ok(None);
        }
        let split = loader.make(planned.plan.cut(self.parts()))?;
        let (planned_count, split_count) = (count(planned), count(&split));
        if split_count == planned_count {
            return Ok(Some(split));
        }
        let message = format!(
            "the normaliser of a step is {planned_count}, and {split_count} after its micro-batches were split: the \
             objective's collate must not depend on how rows are grouped"
        );
        Err(Error::Contract(message).into())
    }

    /// The number of parts of each planned micro-batch.
    fn parts(self) -> usize {
        1_usize.checked_shl(self.halvings).unwrap_or(usize::MAX)
    }

    /// Checks that smaller micro-batches can help after `error`, the error that memory ran out in step `step`, counted
    /// from 1.
    ///
    /// # Errors
    /// If the objective needs all rows of the batch at once, or the memory does not suffice for a single row.
    pub(crate) fn check_can_halve(
        self,
        step: u64,
        planned: &StepData,
        objective: &'static str,
        error: &TrainError,
    ) -> Result<(), TrainError> {
        if planned.micro.iter().any(|batch| batch.normalizer == Normalizer::WholeBatch) {
            return Err(TrainError::WholeBatchMemory { step, objective });
        }
        if self.parts() >= planned.plan.largest_micro() {
            let reason = error.to_string();
            return Err(TrainError::OutOfMemory { step, reason, keys: row_keys(planned) });
        }
        Ok(())
    }

    /// Doubles the number of parts from step `step` on, counted from 1. `error` is the error of this rank if it ran out
    /// of memory; `None` if another rank did.
    pub(crate) fn halve(&mut self, step: u64, planned: &StepData, error: Option<&TrainError>) {
        self.halvings += 1;
        let rows = planned.plan.largest_micro().div_ceil(self.parts());
        let reason = error.map_or("another rank ran out of memory".to_owned(), ToString::to_string);
        tracing::warn!("step {step}: {reason}; going on with {rows} rows at a time");
    }
}

/// The sum of the normalisers of all micro-batches. A loss over the whole batch is not split and counts 0.
fn count(data: &StepData) -> u64 {
    let counts = data.micro.iter().map(|batch| match batch.normalizer {
        Normalizer::Count(count) => count,
        Normalizer::WholeBatch => 0,
    });
    counts.sum()
}

/// Whether an error of libtorch says that memory ran out. Only the message tells: these errors have no code.
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
    .any(|message| text.contains(message))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn messages_of_libtorch_about_memory_are_recognised() {
        let options = (Kind::Float, Device::Cpu);
        let memory = Tensor::f_zeros([1 << 46], options).unwrap_err();
        assert!(is_out_of_memory(&memory.into()));
        let shape = Tensor::f_zeros([2], options).unwrap().f_reshape([3]).unwrap_err();
        assert!(!is_out_of_memory(&shape.into()));
    }
}
