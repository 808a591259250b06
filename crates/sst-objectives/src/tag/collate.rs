//! Makes batches of windows with a label for the first token of each word.

use std::collections::HashMap;

use sst_data::entities::{Entity, EntityLabels, EntityScheme, write};
use sst_data::records::TextWindow;
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer};

use super::ENTITIES;
use crate::layout::{BatchLayout, field};

/// Makes batches from the fields of windows and from `entities`.
///
/// Arrays: `input_ids` `[b, l]`, with `attention_mask` `[b, l]` if rows are padded, or `input_ids` `[t]` for ragged
/// rows; `label_positions` `[n]`, which index the flattened `input_ids`: the first token of each word that the window
/// scores; `labels` `[n]`. Normalizer: n.
#[derive(Debug)]
pub(super) struct TagCollate {
    layout: BatchLayout,
    scheme: EntityScheme,
    /// The types of entities by the numbers of the data.
    types: Vec<String>,
    /// The output that each label stands for.
    outputs: HashMap<String, i64>,
}

impl TagCollate {
    /// Makes batches for a head with the labels of `table`, of data with these types of entities.
    pub(super) fn new(
        layout: BatchLayout,
        scheme: EntityScheme,
        table: &EntityLabels,
        types: &[String],
    ) -> Self {
        let outputs = table.names().iter().cloned().zip(0..).collect();
        Self { layout, scheme, types: types.to_vec(), outputs }
    }

    /// The positions in the row of the tokens with a label, and their labels.
    fn labels(&self, example: &Example) -> Result<Vec<(usize, i64)>, CollateError> {
        let window = field(example, "window", |example, _| TextWindow::of(example))?;
        let starts: Vec<usize> = (window.position..)
            .zip(window.word_starts)
            .filter(|(_, starts)| **starts == 1)
            .map(|(position, _)| position)
            .collect();
        let labels = self.write(example, &starts)?;
        let scored = starts.into_iter().zip(labels);
        scored
            .filter(|(position, _)| window.scored.contains(position))
            .map(|(position, label)| match self.outputs.get(&label) {
                Some(output) => Ok((position, *output)),
                None => field(example, &label, |_, _| None),
            })
            .collect()
    }

    /// The label of each word of a window, whose first tokens are at `starts`. An entity has every word that shares a
    /// token with it; a word that two entities share belongs to the first of them.
    fn write(&self, example: &Example, starts: &[usize]) -> Result<Vec<String>, CollateError> {
        let spans = field(example, ENTITIES, Example::spans)?;
        let cuts = field(example, &format!("{ENTITIES}.cut_words"), Example::ints)?;
        // A word before the window and one after it stand for what is cut off of entities.
        let (mut entities, mut free) = (Vec::new(), 0);
        for (span, cut) in spans.iter().zip(cuts) {
            let (cut_before, cut_after) = (cut & 1 != 0, cut & 2 != 0);
            let first = starts.partition_point(|start| *start <= span.start);
            let start = if cut_before { 0 } else { first.max(1) };
            let end = starts.partition_point(|start| *start < span.end) + 1;
            let end = end + usize::from(cut_after);
            let start = start.max(free);
            let label = span.label.and_then(|label| self.types.get(label as usize));
            let label: &str = field(example, ENTITIES, |_, _| label)?;
            if start < end {
                entities.push(Entity { start, end, label });
                free = end;
            }
        }
        let mut labels = match write(&entities, starts.len() + 2, self.scheme) {
            Ok(labels) => labels,
            // The loop above lets no two entities overlap.
            Err(_) => return field(example, ENTITIES, |_, _| None),
        };
        labels.pop();
        labels.remove(0);
        Ok(labels)
    }
}

impl Collate for TagCollate {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let labels = examples.iter().map(|example| self.labels(example));
        let labels: Vec<_> = labels.collect::<Result<_, _>>()?;
        let count = labels.iter().map(Vec::len).sum();
        let (batch, starts) =
            self.layout.lay_out_examples(examples, Normalizer::Count(count as u64))?;
        let (mut positions, mut outputs) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (start, labels) in starts.into_iter().zip(labels) {
            for (position, output) in labels {
                positions.push((start + position) as i64);
                outputs.push(output);
            }
        }
        let batch = batch.with("label_positions", &[count], ArrayData::I64(positions))?;
        Ok(batch.with("labels", &[count], ArrayData::I64(outputs))?)
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
