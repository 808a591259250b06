//! Makes batches of windows with the place of the answer.

use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer};

use super::ANSWERS;
use crate::layout::{BatchLayout, field};

/// Makes batches from the fields of windows and from `answers`.
///
/// Arrays: `input_ids` and `token_type_ids` `[b, l]`, with `attention_mask` `[b, l]` if rows are padded, or `[t]` for
/// ragged rows; `start_positions` and `end_positions` `[b]`: the positions in the row of the first and the last token of
/// the first answer, or 0 if the window does not hold all of it. Normalizer: the number of rows.
#[derive(Debug)]
pub(super) struct AnswerCollate {
    pub(super) layout: BatchLayout,
}

impl Collate for AnswerCollate {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let rows = examples.len();
        let (batch, _) = self.layout.lay_out_examples(examples, Normalizer::Count(rows as u64))?;
        let (mut starts, mut ends) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        for example in examples {
            let (start, end) = first_answer(example)?;
            starts.push(start);
            ends.push(end);
        }
        let batch = batch.with("start_positions", &[rows], ArrayData::I64(starts))?;
        Ok(batch.with("end_positions", &[rows], ArrayData::I64(ends))?)
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

/// The first and the last token of the first answer, as in transformers' example for SQuAD; both 0 if the window does not
/// hold all of it.
fn first_answer(example: &Example) -> Result<(i64, i64), CollateError> {
    let answers = field(example, ANSWERS, Example::spans)?;
    let indices = field(example, &format!("{ANSWERS}.index"), Example::ints)?;
    let first = answers.iter().zip(indices).find(|(_, index)| **index == 0);
    Ok(first.map_or((0, 0), |(answer, _)| (answer.start as i64, answer.end as i64 - 1)))
}
