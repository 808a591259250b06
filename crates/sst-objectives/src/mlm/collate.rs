//! The host half: masks tokens and makes labels.

use sst_data::tokenize::Tokenizer;
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer, SeqRng};

use super::config::MlmConfig;
use super::select::{Replacement, select};
use super::words::WordGrouper;
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;

/// The name of the random stream. Another name would give other masks for the same seed.
const STREAM: &str = "mlm.mask";

/// Makes masked batches from the field `input_ids`.
///
/// Arrays: `input_ids` `[b, l]`, with `attention_mask` `[b, l]` if rows are padded, or `input_ids` `[t]` for ragged
/// rows; `masked_positions` `[n]`, which index the flattened `input_ids`; `masked_labels` `[n]`. Normalizer: n, the
/// number of selected tokens.
#[derive(Debug)]
pub struct MlmCollate {
    config: MlmConfig,
    grouper: WordGrouper,
    mask: u32,
    layout: BatchLayout,
    /// The ids that a random replacement is drawn from: the vocabulary without special tokens and unused ids.
    ordinary: Vec<u32>,
}

impl MlmCollate {
    /// Makes batches of rows of this tokenizer.
    ///
    /// # Errors
    /// If a key has an invalid value, or the tokenizer has no mask token or only special tokens.
    pub fn new(
        config: MlmConfig,
        tokenizer: &Tokenizer,
        padding_free: bool,
    ) -> Result<Self, ObjectiveError> {
        config.check()?;
        let special = tokenizer.special();
        let Some(mask) = special.mask else {
            return Err(ObjectiveError::NoToken { objective: "mlm", token: "mask" });
        };
        let grouper = WordGrouper::new(tokenizer);
        let ordinary: Vec<u32> = (0..tokenizer.usable_ids() as u32)
            .filter(|id| !grouper.is_special(*id) && tokenizer.token(*id).is_some())
            .collect();
        if ordinary.is_empty() {
            return Err(ObjectiveError::NoOrdinaryToken);
        }
        // The attention mask hides padding, so any id will do if the tokenizer has no padding token.
        let padded = BatchLayout::Padded { pad: special.pad.unwrap_or(mask) };
        let layout = if padding_free { BatchLayout::Ragged } else { padded };
        Ok(Self { config, grouper, mask, layout, ordinary })
    }
}

impl Collate for MlmCollate {
    fn collate(&self, examples: &[Example], seed: u64) -> Result<HostBatch, CollateError> {
        let mut rows = Vec::with_capacity(examples.len());
        // The row, the position in the row, and the label of each selected token.
        let mut labels: Vec<(usize, usize, u32)> = Vec::new();
        for (row, example) in examples.iter().enumerate() {
            let Some(ids) = example.tokens("input_ids") else {
                let (key, field) = (example.key.clone(), "input_ids".to_owned());
                return Err(CollateError::MissingField { key, field });
            };
            let mut rng = SeqRng::new(seed, STREAM, example.epoch, example.index);
            let mut masked = ids.to_vec();
            for (at, replacement) in select(&self.config, &self.grouper, ids, &mut rng) {
                labels.push((row, at, ids[at]));
                match replacement {
                    Replacement::Mask => masked[at] = self.mask,
                    Replacement::Random => {
                        masked[at] = self.ordinary[rng.below(self.ordinary.len() as u64) as usize];
                    }
                    Replacement::Keep => {}
                }
            }
            rows.push(masked);
        }
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let batch = HostBatch::new(Normalizer::Count(labels.len() as u64), keys);
        let (batch, starts) = self.layout.lay_out(batch, &rows)?;
        let positions = labels.iter().map(|(row, at, _)| (starts[*row] + at) as i64).collect();
        let ids = labels.iter().map(|(_, _, id)| i64::from(*id)).collect();
        Ok(batch.with("masked_positions", &[labels.len()], ArrayData::I64(positions))?.with(
            "masked_labels",
            &[labels.len()],
            ArrayData::I64(ids),
        )?)
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
