//! Reads the rows of a data set in order, in groups or as batches.

use std::sync::Arc;

use sst_data::rows::Dataset;
use sst_data::{Collate, Example, Field, HostBatch};

use crate::error::EvalError;

/// The rows of epoch 0 in order, in groups of `batch_size`.
///
/// A row is an error if it cannot be read or holds a token id of `vocab_size` or above. Such an id can occur even if the
/// tokenizer is right, because tokens may have been prepared for a model with a larger vocabulary.
pub(crate) fn groups(
    dataset: &dyn Dataset,
    batch_size: usize,
    vocab_size: usize,
) -> impl Iterator<Item = Result<Vec<Example>, EvalError>> {
    let batch_size = batch_size.max(1) as u64;
    let starts = (0..dataset.len()).step_by(batch_size as usize);
    starts.map(move |start| {
        let end = (start + batch_size).min(dataset.len());
        (start..end).map(|index| check_ids(dataset.get(index, 0)?, vocab_size)).collect()
    })
}

/// Each `step`th row of epoch 0, in groups of `batch_size`, for rows without tokens.
pub(crate) fn every(
    dataset: &dyn Dataset,
    step: u64,
    batch_size: usize,
) -> impl Iterator<Item = Result<Vec<Example>, EvalError>> {
    let places: Vec<u64> = (0..dataset.len()).step_by(step.max(1) as usize).collect();
    let batches: Vec<Vec<u64>> = places.chunks(batch_size.max(1)).map(<[u64]>::to_vec).collect();
    let batches = batches.into_iter();
    batches.map(move |batch| batch.into_iter().map(|at| Ok(dataset.get(at, 0)?)).collect())
}

/// Returns `example` if all its token ids are below `vocab_size`.
fn check_ids(example: Example, vocab_size: usize) -> Result<Example, EvalError> {
    let token_fields = example.fields.values().filter_map(|field| match field {
        Field::Tokens(ids) => Some(ids),
        _ => None,
    });
    let unknown = token_fields.flatten().copied().find(|id| *id as usize >= vocab_size);
    match unknown {
        None => Ok(example),
        Some(id) => Err(EvalError::UnknownToken { key: example.key, id, vocab_size }),
    }
}

/// The batches that `collate` makes of [`groups`] with `seed`.
pub(crate) fn batches(
    dataset: &dyn Dataset,
    collate: Arc<dyn Collate>,
    batch_size: usize,
    vocab_size: usize,
    seed: u64,
) -> impl Iterator<Item = Result<HostBatch, EvalError>> {
    groups(dataset, batch_size, vocab_size).map(move |rows| Ok(collate.collate(&rows?, seed)?))
}
