//! Goes through a data set in the order of its rows.

use std::sync::Arc;

use sst_data::rows::Dataset;
use sst_data::{Collate, Example, Field, HostBatch};

use crate::error::EvalError;

/// The rows of a data set as they are drawn in epoch 0, in groups of `batch_size`, for a model of `vocab_size` ids.
///
/// A row that cannot be read, or that holds a token which the model does not know, is an error. Tokens that were prepared
/// for a model of a larger vocabulary may hold one, though the tokenizer is the same.
pub(crate) fn groups(
    dataset: &dyn Dataset,
    batch_size: usize,
    vocab_size: usize,
) -> impl Iterator<Item = Result<Vec<Example>, EvalError>> {
    let batch_size = batch_size.max(1) as u64;
    let starts = (0..dataset.len()).step_by(batch_size as usize);
    starts.map(move |start| {
        let end = (start + batch_size).min(dataset.len());
        (start..end).map(|index| known(dataset.get(index, 0)?, vocab_size)).collect()
    })
}

/// `example`, if all its tokens are below `vocab_size`.
fn known(example: Example, vocab_size: usize) -> Result<Example, EvalError> {
    let lists = example.fields.values().filter_map(|field| match field {
        Field::Tokens(ids) => Some(ids),
        _ => None,
    });
    let unknown = lists.flatten().copied().find(|id| *id as usize >= vocab_size);
    match unknown {
        None => Ok(example),
        Some(id) => Err(EvalError::UnknownToken { key: example.key, id, vocab_size }),
    }
}

/// The batches that `collate` makes of them under `seed`.
pub(crate) fn batches(
    dataset: &dyn Dataset,
    collate: Arc<dyn Collate>,
    batch_size: usize,
    vocab_size: usize,
    seed: u64,
) -> impl Iterator<Item = Result<HostBatch, EvalError>> {
    groups(dataset, batch_size, vocab_size).map(move |rows| Ok(collate.collate(&rows?, seed)?))
}
