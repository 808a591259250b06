//! Rows of unequal length as one array.

use sst_data::{ArrayData, BatchError, HostBatch};

/// Adds `input_ids` `[b, l]`, padded on the right, and `attention_mask` `[b, l]` where a row is padded.
/// Returns the batch and l.
pub(crate) fn with_rows(
    batch: HostBatch,
    rows: &[Vec<u32>],
    pad: u32,
) -> Result<(HostBatch, usize), BatchError> {
    let length = rows.iter().map(Vec::len).max().unwrap_or(0);
    let useful: usize = rows.iter().map(Vec::len).sum();
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
        let seen = rows.iter().flat_map(|row| (0..length).map(|at| at < row.len())).collect();
        batch = batch.with("attention_mask", &shape, ArrayData::Bool(seen))?;
    }
    Ok((batch, length))
}
