//! Reads the rows of a data set in order, in groups or as batches.

use std::ops::Range;
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

/// The batches that `collate` makes of the rows of epoch 0 in order, with `seed`: as few as possible, and their sizes differ
/// by at most one row. So no loss that compares the rows of a batch with each other is measured on a small rest. A
/// batch has at most `batch_size` rows, or one more if a row would be alone otherwise.
pub(crate) fn batches(
    dataset: &dyn Dataset,
    collate: Arc<dyn Collate>,
    batch_size: usize,
    vocab_size: usize,
    seed: u64,
) -> impl Iterator<Item = Result<HostBatch, EvalError>> {
    even_ranges(dataset.len(), batch_size as u64).map(move |range| {
        let rows: Result<Vec<Example>, EvalError> =
            range.map(|index| check_ids(dataset.get(index, 0)?, vocab_size)).collect();
        Ok(collate.collate(&rows?, seed)?)
    })
}

/// Splits `0..len` into as few ranges of at most `most` as possible, whose lengths differ by at most one. Where `most`
/// allows two, no range has one number alone, if need be by one number more than `most` in a range.
fn even_ranges(len: u64, most: u64) -> impl Iterator<Item = Range<u64>> {
    let fewest = len.div_ceil(most.max(1));
    let count = if most >= 2 && len >= 2 { fewest.min(len / 2) } else { fewest };
    (0..count).map(move |at| at * len / count..(at + 1) * len / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_even_and_cover_everything() {
        for len in 0..40 {
            for most in 0..9 {
                let ranges: Vec<Range<u64>> = even_ranges(len, most).collect();
                let all: Vec<u64> = ranges.iter().cloned().flatten().collect();
                assert_eq!(all, (0..len).collect::<Vec<_>>(), "{len} by {most}");
                let lengths: Vec<u64> =
                    ranges.iter().map(|range| range.end - range.start).collect();
                let (shortest, longest) = (lengths.iter().min(), lengths.iter().max());
                assert!(
                    longest <= shortest.map(|n| n + 1).as_ref(),
                    "{len} by {most}: {lengths:?}"
                );
                if most >= 2 && len >= 2 {
                    assert!(shortest >= Some(&2), "{len} by {most}: {lengths:?}");
                }
                assert!(longest <= Some(&(most.max(1) + u64::from(most == 2))), "{lengths:?}");
            }
        }
    }
}
