//! The host half: masks and labels.

use sst_data::tokenize::Tokenizer;
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer, SeqRng};

use super::config::MlmConfig;
use super::select::{Fate, select};
use super::words::WordGrouper;
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;

/// The stream of the draws; part of what makes a run repeatable.
const STREAM: &str = "mlm.mask";

/// Makes masked batches from the field `input_ids`.
///
/// Arrays: `input_ids` `[b, l]`, and `attention_mask` `[b, l]` where a row is padded, or `input_ids` `[t]` of
/// ragged rows; `masked_positions` `[n]`, flat into `b * l` or `t`; `masked_labels` `[n]`. Normalizer: n.
#[derive(Debug)]
pub struct MlmCollate {
    config: MlmConfig,
    grouper: WordGrouper,
    mask: u32,
    layout: BatchLayout,
    /// Every id that may replace a token: all that the model knows but the special ones and gaps of the vocabulary.
    ordinary: Vec<u32>,
}

impl MlmCollate {
    /// Prepares the tables of a tokenizer.
    ///
    /// # Errors
    /// If a key cannot be, or the tokenizer has no mask token or nothing but special tokens.
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
        // Padding is never seen, so any id serves where the tokenizer has none for it.
        let padded = BatchLayout::Padded { pad: special.pad.unwrap_or(mask) };
        let layout = if padding_free { BatchLayout::Ragged } else { padded };
        Ok(Self { config, grouper, mask, layout, ordinary })
    }
}

impl Collate for MlmCollate {
    fn collate(&self, examples: &[Example], seed: u64) -> Result<HostBatch, CollateError> {
        let mut rows = Vec::with_capacity(examples.len());
        // Row, place in the row, label.
        let mut labels: Vec<(usize, usize, u32)> = Vec::new();
        for (row, example) in examples.iter().enumerate() {
            let Some(ids) = example.tokens("input_ids") else {
                let (key, field) = (example.key.clone(), "input_ids".to_owned());
                return Err(CollateError::MissingField { key, field });
            };
            let mut rng = SeqRng::new(seed, STREAM, example.epoch, example.index);
            let mut masked = ids.to_vec();
            for (at, fate) in select(&self.config, &self.grouper, ids, &mut rng) {
                labels.push((row, at, ids[at]));
                match fate {
                    Fate::Mask => masked[at] = self.mask,
                    Fate::Random => {
                        masked[at] = self.ordinary[rng.below(self.ordinary.len() as u64) as usize];
                    }
                    Fate::Keep => {}
                }
            }
            rows.push(masked);
        }
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let batch = HostBatch::new(Normalizer::Count(labels.len() as u64), keys);
        let (batch, starts) = self.layout.lay(batch, &rows)?;
        let positions = labels.iter().map(|(row, at, _)| (starts[*row] + at) as i64).collect();
        let ids = labels.iter().map(|(_, _, id)| i64::from(*id)).collect();
        Ok(batch.with("masked_positions", &[labels.len()], ArrayData::I64(positions))?.with(
            "masked_labels",
            &[labels.len()],
            ArrayData::I64(ids),
        )?)
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
