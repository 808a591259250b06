//! Failures made on purpose, to try what happens then.

use tch::{TchError, Tensor};

use crate::error::TrainError;

/// A failure made on purpose. Steps count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The loss of this step is not a number.
    NanLoss {
        /// The step.
        step: u64,
    },
    /// The gradients of this step are too large for their type; the loss is as it should be.
    Overflow {
        /// The step.
        step: u64,
    },
    /// From this step on there is memory for so many rows at a time.
    OutOfMemory {
        /// The step.
        step: u64,
        /// The rows that fit.
        rows: usize,
    },
}

impl Fault {
    /// The summed loss of a micro-batch of step `number`.
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

    /// What backward starts from.
    pub(crate) fn root(
        fault: Option<Self>,
        number: u64,
        loss: Tensor,
    ) -> Result<Tensor, TrainError> {
        match fault {
            // Twice, so that it overflows at any scale.
            Some(Self::Overflow { step }) if step == number => {
                let huge = f64::from(f32::MAX);
                Ok(loss.f_mul_scalar(huge)?.f_mul_scalar(huge)?)
            }
            _ => Ok(loss),
        }
    }

    /// Runs out of memory after the backward pass of a micro-batch of `rows` rows, as libtorch says it.
    pub(crate) fn memory(fault: Option<Self>, number: u64, rows: usize) -> Result<(), TrainError> {
        match fault {
            Some(Self::OutOfMemory { step, rows: fit }) if number >= step && rows > fit => Err(
                TchError::Torch("CUDA out of memory. Tried to allocate 1 GiB (on purpose)".into()),
            )?,
            _ => Ok(()),
        }
    }
}
