//! Rows of unequal length as arrays: padded to one length, or one after the other.

use sst_data::{ArrayData, BatchError, HostBatch};

/// How the rows of a batch lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowLayout {
    /// `[b, l]`, padded on the right.
    Padded {
        /// The id that pads.
        pad: u32,
    },
    /// `[t]`, one row after the other: no layer sees padding.
    Ragged,
}

impl RowLayout {
    /// Adds `input_ids`, and what says where the rows are: `attention_mask` `[b, l]` where a row is padded,
    /// or the lengths of ragged rows. Returns the batch and the place of each row's first token in the
    /// flattened arrays.
    pub(crate) fn lay(
        self,
        batch: HostBatch,
        rows: &[Vec<u32>],
    ) -> Result<(HostBatch, Vec<usize>), BatchError> {
        let useful: usize = rows.iter().map(Vec::len).sum();
        match self {
            Self::Ragged => {
                let ids: Vec<i64> = rows.iter().flatten().map(|id| i64::from(*id)).collect();
                let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
                let starts = lengths.iter().scan(0, |end, length| {
                    let start = *end;
                    *end += length;
                    Some(start)
                });
                let starts = starts.collect();
                let batch = batch
                    .with("input_ids", &[useful], ArrayData::I64(ids))?
                    .with_row_lengths(lengths)
                    .with_tokens(useful as u64, useful as u64);
                Ok((batch, starts))
            }
            Self::Padded { pad } => {
                let length = rows.iter().map(Vec::len).max().unwrap_or(0);
                let shape = [rows.len(), length];
                let mut ids = Vec::with_capacity(rows.len() * length);
                for row in rows {
                    ids.extend(row.iter().map(|id| i64::from(*id)));
                    ids.resize(ids.len() + length - row.len(), i64::from(pad));
                }
                let mut batch = batch
                    .with("input_ids", &shape, ArrayData::I64(ids))?
                    .with_tokens(useful as u64, (rows.len() * length) as u64);
                if useful < rows.len() * length {
                    let seen =
                        rows.iter().flat_map(|row| (0..length).map(|at| at < row.len())).collect();
                    batch = batch.with("attention_mask", &shape, ArrayData::Bool(seen))?;
                }
                Ok((batch, (0..rows.len()).map(|row| row * length).collect()))
            }
        }
    }
}
