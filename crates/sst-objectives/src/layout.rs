//! Arrays of rows of unequal length: padded to one length, or concatenated.

use sst_data::tokenize::Tokenizer;
use sst_data::{ArrayData, BatchError, CollateError, Example, HostBatch, Normalizer};

/// How the arrays of a batch hold rows of unequal length. Shapes: b rows, l tokens in the longest row, t tokens in all
/// rows together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchLayout {
    /// `[b, l]`, padded on the right.
    Padded {
        /// The padding id.
        pad: u32,
    },
    /// `[t]`: the rows are concatenated without padding.
    Ragged,
}

/// The field `name` of `example`, as `get` reads it.
pub(crate) fn field<'a, T>(
    example: &'a Example,
    name: &str,
    get: impl FnOnce(&'a Example, &str) -> Option<T>,
) -> Result<T, CollateError> {
    get(example, name).ok_or_else(|| {
        let (key, field) = (example.key.clone(), name.to_owned());
        CollateError::MissingField { key, field }
    })
}

impl BatchLayout {
    /// The layout for records of texts.
    pub(crate) fn of_records(tokenizer: &Tokenizer, padding_free: bool) -> Self {
        match padding_free {
            true => Self::Ragged,
            // The attention mask hides padding, so any id will do.
            false => Self::Padded { pad: tokenizer.special().pad.unwrap_or_default() },
        }
    }

    /// A batch of the fields `input_ids` of `examples`, and of `token_type_ids` where they have any (pairs of texts).
    /// Returns what [`BatchLayout::lay_out`] returns.
    pub(crate) fn lay_out_examples(
        self,
        examples: &[Example],
        normalizer: Normalizer,
    ) -> Result<(HostBatch, Vec<usize>), CollateError> {
        let rows = examples
            .iter()
            .map(|example| field(example, "input_ids", Example::tokens).map(<[u32]>::to_vec));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let (batch, starts) = self.lay_out(HostBatch::new(normalizer, keys), &rows)?;
        let types: Vec<_> =
            examples.iter().map(|example| example.tokens("token_type_ids")).collect();
        if types.iter().all(Option::is_none) {
            return Ok((batch, starts));
        }
        let length = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut flat: Vec<i64> = Vec::new();
        for (row, types) in rows.iter().zip(types) {
            let types = types.unwrap_or_default().iter().map(|kind| i64::from(*kind));
            let width = if self == Self::Ragged { row.len() } else { length };
            let end = flat.len() + width;
            flat.extend(types);
            flat.resize(end, 0);
        }
        let shape = match self {
            Self::Ragged => vec![flat.len()],
            Self::Padded { .. } => vec![rows.len(), length],
        };
        Ok((batch.with("token_type_ids", &shape, ArrayData::I64(flat))?, starts))
    }

    /// Adds `input_ids` of shape `[b, l]` or `[t]` to the batch. Padded rows also get an `attention_mask` `[b, l]` if
    /// they differ in length; ragged rows get their lengths. Returns the batch, and for each row the index of its first
    /// token in the flattened arrays.
    pub(crate) fn lay_out(
        self,
        batch: HostBatch,
        rows: &[Vec<u32>],
    ) -> Result<(HostBatch, Vec<usize>), BatchError> {
        let useful: usize = rows.iter().map(Vec::len).sum();
        match self {
            Self::Ragged => {
                let ids: Vec<i64> = rows.iter().flatten().map(|id| i64::from(*id)).collect();
                let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
                let starts = lengths
                    .iter()
                    .scan(0, |end, length| {
                        let start = *end;
                        *end += length;
                        Some(start)
                    })
                    .collect();
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
                    let is_token =
                        rows.iter().flat_map(|row| (0..length).map(|at| at < row.len())).collect();
                    batch = batch.with("attention_mask", &shape, ArrayData::Bool(is_token))?;
                }
                Ok((batch, (0..rows.len()).map(|row| row * length).collect()))
            }
        }
    }
}
