//! Injected failures, to test how a run reacts to them.

use tch::{TchError, Tensor};

use crate::error::TrainError;

/// An injected failure. Steps are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The loss of a step is NaN.
    NanLoss {
        /// The step.
        step: u64,
    },
    /// The gradients of a step overflow their type. The loss is finite.
    Overflow {
        /// The step.
        step: u64,
    },
    /// From a step on, a micro-batch of more than `rows` rows runs out of memory.
    OutOfMemory {
        /// The first step with this failure.
        step: u64,
        /// The number of rows that fit into memory.
        rows: usize,
    },
}

impl Fault {
    /// The summed loss of a micro-batch of step `number`: `loss`, or NaN if that is the fault of this step.
    pub(crate) fn loss(
        fault: Option<Self>,
        number: u64,
        loss: Tensor,
    ) -> Result<Tensor, TrainError> {
        match fault {
            Some(Self::NanLoss { step }) if step == number => Ok(loss.f_mul_scalar(f64::NAN)?),
            _ => Ok(loss),
        }
    }

    /// The tensor that the backward pass of step `number` starts from: `loss`, or a multiple of it that makes the
    /// gradients overflow.
    pub(crate) fn backward_root(
        fault: Option<Self>,
        number: u64,
        loss: Tensor,
    ) -> Result<Tensor, TrainError> {
        match fault {
            // Two factors, so that the gradients overflow at any loss scale.
            Some(Self::Overflow { step }) if step == number => {
                let huge = f64::from(f32::MAX);
                Ok(loss.f_mul_scalar(huge)?.f_mul_scalar(huge)?)
            }
            _ => Ok(loss),
        }
    }

    /// Fails with libtorch's message for too little memory if a micro-batch of `rows` rows is not to fit in step
    /// `number`. It is called after the backward pass of each micro-batch.
    pub(crate) fn check_memory(
        fault: Option<Self>,
        number: u64,
        rows: usize,
    ) -> Result<(), TrainError> {
        match fault {
            Some(Self::OutOfMemory { step, rows: fit }) if number >= step && rows > fit => Err(
                TchError::Torch("CUDA out of memory. Tried to allocate 1 GiB (on purpose)".into()),
            )?,
            _ => Ok(()),
        }
    }
}
