//! The all-reduce of a step: gradients and sums are added over the ranks.

use sst_core::Ranks;
use tch::Tensor;

use crate::error::TrainError;
use crate::optim::{Gradients, Optimizer};
use crate::sums::Sums;

/// Replaces the gradients and the sums of a step by their totals over all ranks. A parameter that has a gradient on any
/// rank afterwards has one on all ranks.
///
/// # Errors
/// If the ranks cannot exchange them, or libtorch fails.
pub(crate) fn reduce(
    ranks: &dyn Ranks,
    optimizer: &Optimizer,
    gradients: &mut Gradients,
    sums: &mut Sums,
) -> Result<(), TrainError> {
    if ranks.world() == 1 {
        return Ok(());
    }
    let mut with_gradient: Vec<u64> = gradients.is_present().map(u64::from).collect();
    ranks.sum(&mut with_gradient)?;
    optimizer.add_missing(gradients, |parameter| with_gradient[parameter] > 0)?;
    sums.add_missing(ranks)?;
    let tensors = gradients.iter().chain(sums.tensors()).map(Tensor::shallow_clone);
    ranks.all_reduce(&tensors.collect::<Vec<_>>())?;
    Ok(())
}
