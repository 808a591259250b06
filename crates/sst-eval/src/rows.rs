//! Goes through a data set in the order of its rows.

use std::sync::Arc;

use sst_data::rows::Dataset;
use sst_data::{Collate, Example, HostBatch};

use crate::error::EvalError;

/// The rows of a data set as they are drawn in epoch 0, in groups of `batch_size`.
pub(crate) fn groups(
    dataset: &dyn Dataset,
    batch_size: usize,
) -> impl Iterator<Item = Result<Vec<Example>, EvalError>> {
    let batch_size = batch_size.max(1) as u64;
    let starts = (0..dataset.len()).step_by(batch_size as usize);
    starts.map(move |start| {
        let end = (start + batch_size).min(dataset.len());
        Ok((start..end).map(|index| dataset.get(index, 0)).collect::<Result<_, _>>()?)
    })
}

/// The batches that `collate` makes of them under `seed`.
pub(crate) fn batches(
    dataset: &dyn Dataset,
    collate: Arc<dyn Collate>,
    batch_size: usize,
    seed: u64,
) -> impl Iterator<Item = Result<HostBatch, EvalError>> {
    groups(dataset, batch_size).map(move |rows| Ok(collate.collate(&rows?, seed)?))
}
