//! Batches of several views of each text: all rows of the first view, then all of the second.

use sst_core::{Batch, Error, RaggedRows, Tokens};
use sst_data::tokenize::Tokenizer;
use sst_data::{Collate, CollateError, Example, HostBatch, Normalizer};
use tch::Tensor;

use crate::layout::BatchLayout;

/// How rows lie: padded with the tokenizer's padding, or ragged.
pub(super) fn layout(tokenizer: &Tokenizer, padding_free: bool) -> BatchLayout {
    // Padding is never seen, so any id serves where the tokenizer has none for it.
    let padded = BatchLayout::Padded { pad: tokenizer.special().pad.unwrap_or(0) };
    if padding_free { BatchLayout::Ragged } else { padded }
}

/// The tokens of an example's field `input_ids`.
pub(super) fn tokens(example: &Example) -> Result<&[u32], CollateError> {
    tokens_of(example, "input_ids")
}

/// The tokens of another field.
pub(super) fn tokens_of<'e>(example: &'e Example, field: &str) -> Result<&'e [u32], CollateError> {
    let missing =
        || CollateError::MissingField { key: example.key.clone(), field: field.to_owned() };
    let ids = example.tokens(field).ok_or_else(missing)?;
    match ids.is_empty() {
        false => Ok(ids),
        true => Err(CollateError::NoTokens(example.key.clone())),
    }
}

/// The batch of these views. Arrays: `input_ids` `[v b, l]` and `attention_mask`, or ragged `[t]`. Normalizer: the
/// whole batch.
pub(super) fn lay(
    layout: BatchLayout,
    examples: &[Example],
    views: &[Vec<Vec<u32>>],
) -> Result<HostBatch, CollateError> {
    let keys = examples.iter().map(|example| example.key.clone()).collect();
    let (batch, _) = layout.lay(HostBatch::new(Normalizer::WholeBatch, keys), &views.concat())?;
    Ok(batch)
}

/// Makes batches that hold each row twice, to be read with other dropout.
pub(super) struct Twice(BatchLayout);

impl Twice {
    pub(super) fn new(tokenizer: &Tokenizer, padding_free: bool) -> Self {
        Self(layout(tokenizer, padding_free))
    }
}

impl Collate for Twice {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let rows = examples.iter().map(|example| tokens(example).map(<[u32]>::to_vec));
        let rows: Vec<Vec<u32>> = rows.collect::<Result<_, _>>()?;
        lay(self.0, examples, &[rows.clone(), rows])
    }
}

/// Some rows of a batch.
pub(super) struct Part {
    input_ids: Tensor,
    rows: Option<RaggedRows>,
    attention_mask: Option<Tensor>,
}

impl Part {
    /// Rows `start..start + count` of a batch, of `total` that it has.
    pub(super) fn of(batch: &Batch, start: i64, count: i64) -> sst_core::Result<Self> {
        let ids = batch.get("input_ids")?;
        let Some(rows) = &batch.rows else {
            let narrow = |x: &Tensor| x.f_narrow(0, start, count);
            let mask = batch.find("attention_mask").map(narrow).transpose()?;
            return Ok(Self { input_ids: narrow(ids)?, rows: None, attention_mask: mask });
        };
        let (start, end) = (start as usize, (start + count) as usize);
        let (Some(from), Some(to)) = (rows.offsets().get(start), rows.offsets().get(end)) else {
            return Err(Error::Contract(format!("a batch has no rows {start} to {end}")));
        };
        let lengths: Vec<usize> =
            rows.lengths().skip(start).take(end - start).map(|length| length as usize).collect();
        Ok(Self {
            input_ids: ids.f_narrow(0, *from, to - from)?,
            rows: Some(RaggedRows::new(&lengths, rows.device())),
            attention_mask: None,
        })
    }

    pub(super) fn input(&self) -> Tokens<'_> {
        Tokens {
            input_ids: &self.input_ids,
            rows: self.rows.as_ref(),
            attention_mask: self.attention_mask.as_ref(),
            token_type_ids: None,
        }
    }
}

/// The rows of a batch, of all views.
pub(super) fn count(batch: &Batch) -> sst_core::Result<i64> {
    match &batch.rows {
        Some(rows) => Ok(rows.num_rows()),
        None => Ok(batch.get("input_ids")?.size()[0]),
    }
}
