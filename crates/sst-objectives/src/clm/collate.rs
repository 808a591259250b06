//! The host half: rows and the tokens that follow.

use sst_data::tokenize::{SpecialTokenTemplate, Tokenizer};
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer};

use super::config::ClmConfig;
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;

/// The label of a token that no other follows.
pub(crate) const UNSCORED: i64 = -100;

/// Makes batches from the field `input_ids`.
///
/// Arrays: `input_ids` `[b, l]`, and `attention_mask` `[b, l]` where a row is padded, or `input_ids` `[t]` of
/// ragged rows; `labels` in the shape of `input_ids`, -100 where nothing follows. Normalizer: labels.
#[derive(Debug)]
pub struct ClmCollate {
    /// Begins a row of its own, where documents are isolated.
    boundary: Option<u32>,
    layout: BatchLayout,
}

/// The token after each document: the end-of-text token, or the separator of tokenizers in the way of BERT.
fn end_of_text(tokenizer: &Tokenizer) -> Option<u32> {
    tokenizer.special().eos.or(tokenizer.special().sep)
}

/// Nothing stands around a row, and the end-of-text token after each document.
pub(super) fn special_token_template(tokenizer: &Tokenizer) -> SpecialTokenTemplate {
    SpecialTokenTemplate { end: end_of_text(tokenizer), ..SpecialTokenTemplate::default() }
}

impl ClmCollate {
    /// For rows of this tokenizer.
    ///
    /// # Errors
    /// If a key cannot be, or the tokenizer has no end-of-text token.
    pub fn new(
        config: &ClmConfig,
        tokenizer: &Tokenizer,
        padding_free: bool,
    ) -> Result<Self, ObjectiveError> {
        config.check(padding_free)?;
        let Some(end) = end_of_text(tokenizer) else {
            return Err(ObjectiveError::NoToken { objective: "clm", token: "eos" });
        };
        // Padding is never seen, so any id serves where the tokenizer has none for it.
        let padded = BatchLayout::Padded { pad: tokenizer.special().pad.unwrap_or(end) };
        let layout = if padding_free { BatchLayout::Ragged } else { padded };
        Ok(Self { boundary: config.isolate_documents.then_some(end), layout })
    }

    /// The parts of a row that see nothing of each other.
    fn parts<'r>(&self, row: &'r [u32]) -> Vec<&'r [u32]> {
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
            rows.iter().flat_map(|row| self.parts(row)).map(<[u32]>::to_vec).collect();
        let (batch, _) = self.layout.lay(batch, &parts)?;
        let Some(shape) = batch.arrays().find(|(name, _)| *name == "input_ids") else {
            return Ok(batch);
        };
        let shape = shape.1.shape().to_vec();
        let padded = (shape.len() == 2).then(|| shape[1]);
        let mut labels = Vec::with_capacity(shape.iter().product());
        for row in rows {
            labels.extend(row.iter().skip(1).map(|id| i64::from(*id)));
            let length = padded.unwrap_or(row.len());
            labels.resize(labels.len() + length + 1 - row.len().max(1), UNSCORED);
        }
        Ok(batch.with("labels", &shape, ArrayData::I64(labels))?)
    }

    /// Rows of a pack are rows of their own where nothing is padded: none sees another, and the positions of
    /// each begin anew.
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
