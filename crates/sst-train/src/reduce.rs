//! Sums over the ranks of a run.

use sst_core::Ranks;
use tch::Tensor;

use crate::error::TrainError;
use crate::optim::{Gradients, Optimizer};
use crate::sums::Sums;

/// Sums the gradients and the sums of a step over all ranks. A parameter has a gradient if it has one on any rank.
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
    let mut present: Vec<u64> = gradients.present().map(u64::from).collect();
    ranks.sum(&mut present)?;
    optimizer.add_zeros(gradients, |parameter| present[parameter] > 0)?;
    sums.share_names(ranks)?;
    let tensors = gradients.iter().chain(sums.tensors()).map(Tensor::shallow_clone);
    ranks.all_reduce(&tensors.collect::<Vec<_>>())?;
    Ok(())
}
