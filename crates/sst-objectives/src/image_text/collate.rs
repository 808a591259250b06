//! Batches of pictures with their captions.

use std::collections::HashMap;

use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer};

use crate::layout::BatchLayout;
use crate::pixels::{PIXEL_VALUES, pixel_array};

/// The array that says which captions are equal.
pub(super) const SAME_CAPTION: &str = "same_caption";

/// Makes batches of b pictures and their captions. Arrays: `pixel_values` `[b, 3, h, w]`; `input_ids` and
/// `attention_mask` as in other batches of texts; and, if any captions are equal, `same_caption` `[b, b]`: true where two
/// rows have the same caption, so that each caption belongs to both pictures.
pub(super) struct ImageTextCollate(pub(super) BatchLayout);

impl Collate for ImageTextCollate {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let (batch, _) = self.0.lay_out_examples(examples, Normalizer::WholeBatch)?;
        let (shape, pixels) = pixel_array(examples, &[PIXEL_VALUES])?;
        // As in other batches of pictures, each counts as one token.
        let pictures = examples.len() as u64;
        let batch = batch.with_tokens(pictures, pictures).with(PIXEL_VALUES, &shape, pixels)?;
        let captions: Vec<&[u32]> = examples
            .iter()
            .map(|example| example.tokens("input_ids").unwrap_or_default())
            .collect();
        let mut numbers = HashMap::new();
        // Equal captions get the same number.
        let same: Vec<usize> = captions
            .into_iter()
            .map(|ids| {
                let next = numbers.len();
                *numbers.entry(ids).or_insert(next)
            })
            .collect();
        if numbers.len() == same.len() {
            return Ok(batch);
        }
        let cells = same.iter().flat_map(|row| same.iter().map(move |column| row == column));
        let shape = [examples.len(), examples.len()];
        Ok(batch.with(SAME_CAPTION, &shape, ArrayData::Bool(cells.collect()))?)
    }
}
