//! Batches of several views of each text: the first views of all texts, then the second views of all texts, and so on.

use sst_core::{Batch, Error, Input, Pixels, RaggedRows, Tokens};
use sst_data::tokenize::Tokenizer;
use sst_data::{Collate, CollateError, Example, HostBatch, Normalizer};
use tch::Tensor;

use crate::layout::BatchLayout;
use crate::pixels::PIXEL_VALUES;

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

/// A range of the rows of a batch of texts or of pictures.
pub(crate) enum RowSlice {
    /// Texts.
    Tokens { input_ids: Tensor, rows: Option<RaggedRows>, attention_mask: Option<Tensor> },
    /// Pictures.
    Pixels(Tensor),
}

impl RowSlice {
    /// The rows `start..start + count` of a batch: of its pictures, or of its texts if it has none.
    ///
    /// # Errors
    /// If the batch has fewer rows, or libtorch fails.
    pub(super) fn new(batch: &Batch, start: i64, count: i64) -> sst_core::Result<Self> {
        match batch.find(PIXEL_VALUES) {
            Some(_) => Self::of_pixels(batch, start, count),
            None => Self::of_tokens(batch, start, count),
        }
    }

    /// The pictures `start..start + count` of a batch.
    ///
    /// # Errors
    /// If the batch has fewer of them, or libtorch fails.
    pub(crate) fn of_pixels(batch: &Batch, start: i64, count: i64) -> sst_core::Result<Self> {
        Ok(Self::Pixels(batch.get(PIXEL_VALUES)?.f_narrow(0, start, count)?))
    }

    /// The texts `start..start + count` of a batch.
    ///
    /// # Errors
    /// If the batch has fewer of them, or libtorch fails.
    pub(crate) fn of_tokens(batch: &Batch, start: i64, count: i64) -> sst_core::Result<Self> {
        let ids = batch.get("input_ids")?;
        let Some(rows) = &batch.rows else {
            let narrow = |x: &Tensor| x.f_narrow(0, start, count);
            let attention_mask = batch.find("attention_mask").map(narrow).transpose()?;
            return Ok(Self::Tokens { input_ids: narrow(ids)?, rows: None, attention_mask });
        };
        let (start, end) = (start as usize, (start + count) as usize);
        let (Some(from), Some(to)) = (rows.offsets().get(start), rows.offsets().get(end)) else {
            return Err(Error::Contract(format!("a batch has no rows {start} to {end}")));
        };
        let lengths: Vec<usize> =
            rows.lengths().skip(start).take(end - start).map(|length| length as usize).collect();
        Ok(Self::Tokens {
            input_ids: ids.f_narrow(0, *from, to - from)?,
            rows: Some(RaggedRows::new(&lengths, rows.device())),
            attention_mask: None,
        })
    }

    /// The rows as the input of an encoder.
    pub(crate) fn input(&self) -> Input<'_> {
        match self {
            Self::Tokens { input_ids, rows, attention_mask } => Input::Tokens(Tokens {
                input_ids,
                rows: rows.as_ref(),
                attention_mask: attention_mask.as_ref(),
                token_type_ids: None,
            }),
            Self::Pixels(pixel_values) => Input::Pixels(Pixels::new(pixel_values)),
        }
    }
}

/// The number of rows of a batch of texts or of pictures, all views counted.
pub(super) fn num_rows(batch: &Batch) -> sst_core::Result<i64> {
    match (batch.find(PIXEL_VALUES), &batch.rows) {
        (Some(pixels), _) => Ok(pixels.size()[0]),
        (None, Some(rows)) => Ok(rows.num_rows()),
        (None, None) => Ok(batch.get("input_ids")?.size()[0]),
    }
}
