//! The host half: makes batches whose labels are the next tokens.

use sst_data::tokenize::{SpecialTokenTemplate, Tokenizer};
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer};

use super::config::ClmConfig;
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;

/// The label of a token that has no next token.
pub(crate) const UNSCORED: i64 = -100;

/// Makes batches from the field `input_ids`.
///
/// Arrays: `input_ids` `[b, l]`, with `attention_mask` `[b, l]` if rows are padded, or `input_ids` `[t]` for ragged
/// rows; `labels` with the shape of `input_ids`, -100 where there is no next token. Normalizer: the number of labels.
#[derive(Debug)]
pub struct ClmCollate {
    /// If documents are isolated: the token that begins a new row of the batch.
    boundary: Option<u32>,
    layout: BatchLayout,
}

/// The token after each document: the end-of-text token, or for BERT's tokenizers the separator.
fn end_of_text(tokenizer: &Tokenizer) -> Option<u32> {
    tokenizer.special().eos.or(tokenizer.special().sep)
}

/// The end-of-text token after each document, and no tokens around a row.
pub(super) fn special_token_template(tokenizer: &Tokenizer) -> SpecialTokenTemplate {
    SpecialTokenTemplate { end: end_of_text(tokenizer), ..SpecialTokenTemplate::default() }
}

impl ClmCollate {
    /// Makes batches of rows of this tokenizer.
    ///
    /// # Errors
    /// If a key has an invalid value, or the tokenizer has no end-of-text token.
    pub fn new(
        config: &ClmConfig,
        tokenizer: &Tokenizer,
        padding_free: bool,
    ) -> Result<Self, ObjectiveError> {
        config.check(padding_free)?;
        let Some(end) = end_of_text(tokenizer) else {
            return Err(ObjectiveError::NoToken { objective: "clm", token: "eos" });
        };
        // The attention mask hides padding, so any id will do if the tokenizer has no padding token.
        let padded = BatchLayout::Padded { pad: tokenizer.special().pad.unwrap_or(end) };
        let layout = if padding_free { BatchLayout::Ragged } else { padded };
        Ok(Self { boundary: config.isolate_documents.then_some(end), layout })
    }

    /// The parts of a row that must not attend to each other.
    fn isolated_parts<'r>(&self, row: &'r [u32]) -> Vec<&'r [u32]> {
        let Some(boundary) = self.boundary else { return vec![row] };
        let inner = (1..row.len()).filter(|at| row[*at] == boundary);
        let bounds: Vec<usize> = std::iter::once(0).chain(inner).chain([row.len()]).collect();
        bounds.windows(2).map(|pair| &row[pair[0]..pair[1]]).collect()
    }
}

impl Collate for ClmCollate {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let mut rows = Vec::with_capacity(examples.len());
        for example in examples {
            let Some(ids) = example.tokens("input_ids") else {
                let (key, field) = (example.key.clone(), "input_ids".to_owned());
                return Err(CollateError::MissingField { key, field });
            };
            rows.push(ids);
        }
        let count: usize = rows.iter().map(|row| row.len().saturating_sub(1)).sum();
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let batch = HostBatch::new(Normalizer::Count(count as u64), keys);
        let parts: Vec<Vec<u32>> =
            rows.iter().flat_map(|row| self.isolated_parts(row)).map(<[u32]>::to_vec).collect();
        let (batch, _) = self.layout.lay_out(batch, &parts)?;
        let Some(input_ids) = batch.get("input_ids") else {
            return Ok(batch);
        };
        let shape = input_ids.shape().to_vec();
        let padded = (shape.len() == 2).then(|| shape[1]);
        let mut labels = Vec::with_capacity(shape.iter().product());
        for row in rows {
            labels.extend(row.iter().skip(1).map(|id| i64::from(*id)));
            let length = padded.unwrap_or(row.len());
            labels.resize(labels.len() + length + 1 - row.len().max(1), UNSCORED);
        }
        Ok(batch.with("labels", &shape, ArrayData::I64(labels))?)
    }

    /// Without padding, the rows of a pack are separate rows of the batch: they do not attend to each other, and the
    /// positions of each start at 0.
    fn collate_packs(
        &self,
        examples: &[Example],
        _packs: &[usize],
        seed: u64,
    ) -> Result<HostBatch, CollateError> {
        match self.layout {
            BatchLayout::Ragged => self.collate(examples, seed),
            BatchLayout::Padded { .. } => Err(CollateError::Packs),
        }
    }
}
