//! Makes batches of texts with their classes or numbers.

use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer};

use super::{LABEL, LABELS, Problem};
use crate::layout::{BatchLayout, field};

/// Makes batches from the fields `input_ids`, `token_type_ids` (of pairs), and `label` or `labels`.
///
/// Arrays: `input_ids` `[b, l]`, with `attention_mask` `[b, l]` if rows are padded, or `input_ids` `[t]` for ragged
/// rows; `token_type_ids` in the same shape for pairs; `labels` `[b]` with the class (int64) or the number (fp32) of each
/// row, or `[b, o]` with 1 for each of its classes (fp32). Normalizer: the number of rows.
#[derive(Debug)]
pub(super) struct ClassifyCollate {
    pub(super) layout: BatchLayout,
    pub(super) problem: Problem,
    /// o, the number of outputs.
    pub(super) outputs: usize,
}

impl Collate for ClassifyCollate {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let rows = examples.len();
        let (batch, _) = self.layout.lay_out_examples(examples, Normalizer::Count(rows as u64))?;
        let examples = examples.iter();
        let (shape, data) = match self.problem {
            Problem::SingleLabel => {
                let labels = examples.map(|example| field(example, LABEL, Example::int));
                (vec![rows], ArrayData::I64(labels.collect::<Result<_, _>>()?))
            }
            Problem::Regression => {
                let numbers = examples.map(|example| {
                    field(example, LABEL, Example::float).map(|number| number as f32)
                });
                (vec![rows], ArrayData::F32(numbers.collect::<Result<_, _>>()?))
            }
            Problem::MultiLabel => {
                let mut has = vec![0.0; rows * self.outputs];
                for (row, example) in examples.enumerate() {
                    for label in field(example, LABELS, Example::ints)? {
                        // The labels were numbered by the same table that names the outputs.
                        if let Some(one) = has.get_mut(row * self.outputs + *label as usize) {
                            *one = 1.0;
                        }
                    }
                }
                (vec![rows, self.outputs], ArrayData::F32(has))
            }
        };
        Ok(batch.with("labels", &shape, data)?)
    }

    /// Without padding, the rows of a pack are separate rows of the batch and do not attend to each other.
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
