//! Batches of several views of each text: the first views of all texts, then the second views of all texts, and so on.

use sst_core::{Batch, Error, RaggedRows, Tokens};
use sst_data::tokenize::Tokenizer;
use sst_data::{Collate, CollateError, Example, HostBatch, Normalizer};
use tch::Tensor;

use crate::layout::BatchLayout;

/// The layout of batches: ragged, or padded with the tokenizer's padding token.
pub(super) fn batch_layout(tokenizer: &Tokenizer, padding_free: bool) -> BatchLayout {
    // The attention mask hides padding, so any id will do if the tokenizer has no padding token.
    let padded = BatchLayout::Padded { pad: tokenizer.special().pad.unwrap_or(0) };
    if padding_free { BatchLayout::Ragged } else { padded }
}

/// The tokens of the field `input_ids`; an error if there are none.
pub(super) fn tokens(example: &Example) -> Result<&[u32], CollateError> {
    field_tokens(example, "input_ids")
}

/// The tokens of the field `field`; an error if there are none.
pub(super) fn field_tokens<'e>(
    example: &'e Example,
    field: &str,
) -> Result<&'e [u32], CollateError> {
    let missing =
        || CollateError::MissingField { key: example.key.clone(), field: field.to_owned() };
    let ids = example.tokens(field).ok_or_else(missing)?;
    match ids.is_empty() {
        false => Ok(ids),
        true => Err(CollateError::NoTokens(example.key.clone())),
    }
}

/// The batch of these views: `views[i][j]` are the tokens of view i of example j. Arrays: `input_ids` `[v b, l]`, with
/// `attention_mask` `[v b, l]` if rows are padded, or `input_ids` `[t]` for ragged rows. Normalizer: the whole batch.
pub(super) fn views_batch(
    layout: BatchLayout,
    examples: &[Example],
    views: &[Vec<Vec<u32>>],
) -> Result<HostBatch, CollateError> {
    let keys = examples.iter().map(|example| example.key.clone()).collect();
    let batch = HostBatch::new(Normalizer::WholeBatch, keys);
    Ok(layout.lay_out(batch, &views.concat())?.0)
}

/// Makes batches that hold each row twice. The two views of a row differ only by the dropout masks of the encoder.
pub(super) struct DropoutViews(BatchLayout);

impl DropoutViews {
    pub(super) fn new(tokenizer: &Tokenizer, padding_free: bool) -> Self {
        Self(batch_layout(tokenizer, padding_free))
    }
}

impl Collate for DropoutViews {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let rows: Vec<Vec<u32>> = examples
            .iter()
            .map(|example| tokens(example).map(<[u32]>::to_vec))
            .collect::<Result<_, _>>()?;
        views_batch(self.0, examples, &[rows.clone(), rows])
    }
}

/// A range of the rows of a batch.
pub(super) struct RowSlice {
    input_ids: Tensor,
    rows: Option<RaggedRows>,
    attention_mask: Option<Tensor>,
}

impl RowSlice {
    /// The rows `start..start + count` of a batch.
    ///
    /// # Errors
    /// If the batch has fewer rows, or libtorch fails.
    pub(super) fn new(batch: &Batch, start: i64, count: i64) -> sst_core::Result<Self> {
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

/// The number of rows of a batch, all views counted.
pub(super) fn num_rows(batch: &Batch) -> sst_core::Result<i64> {
    match &batch.rows {
        Some(rows) => Ok(rows.num_rows()),
        None => Ok(batch.get("input_ids")?.size()[0]),
    }
}
