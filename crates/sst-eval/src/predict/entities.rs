//! The entities of texts.

use serde::{Deserialize, Serialize};
use sst_core::{HeadKind, Model};
use sst_data::entities::{Constraints, Entity, EntityLabels, read_lenient};
use sst_data::records::TextWindow;
use sst_data::rows::Dataset;
use sst_data::{Example, Key, Span};

use super::classes::softmax;
use super::forward::for_each_row;
use super::outputs::output_names;
use crate::error::EvalError;

/// How the labels of a text are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoding {
    /// The label with the greatest logit, word by word.
    #[default]
    Greedy,
    /// The sequence of labels with the greatest sum of logits among those that the scheme allows.
    Viterbi,
}

/// Finds the entities of texts with the token-classification head of a model.
#[derive(Debug, Clone)]
pub struct EntityFinder {
    table: EntityLabels,
    constraints: Constraints,
    decoding: Decoding,
    batch_size: usize,
}

/// An entity that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundEntity {
    /// Its type.
    pub label: String,
    /// Its characters in the text (Unicode code points), the end excluded.
    pub characters: (usize, usize),
    /// The mean probability of the labels of its words.
    pub score: f64,
}

/// A text with the label of each of its words.
#[derive(Debug, Clone)]
pub struct TaggedText {
    /// Where the text comes from.
    pub key: Key,
    /// The last window of the text, with the fields of the record.
    pub example: Example,
    /// The number of windows that the text was read in.
    pub windows: usize,
    /// The characters of each word, the end excluded.
    pub words: Vec<(usize, usize)>,
    /// The label of each word.
    pub labels: Vec<String>,
    /// The probability of each label.
    pub probabilities: Vec<f64>,
}

impl TaggedText {
    /// Entities of words as entities of characters.
    pub fn in_characters(&self, entities: &[Entity<'_>]) -> Vec<FoundEntity> {
        let found = |entity: &Entity<'_>| {
            let Entity { start, end, label } = *entity;
            let probabilities = &self.probabilities[start..end];
            let score = probabilities.iter().sum::<f64>() / probabilities.len() as f64;
            let characters = (self.words[start].0, self.words[end - 1].1);
            FoundEntity { label: label.to_owned(), characters, score }
        };
        entities.iter().map(found).collect()
    }

    /// The entities of the labels, wherever a label is not `O` ([`read_lenient`]).
    ///
    /// # Errors
    /// If a label is none of any scheme.
    pub fn entities(&self) -> Result<Vec<FoundEntity>, EvalError> {
        Ok(self.in_characters(&read_lenient(&self.labels)?))
    }
}

impl EntityFinder {
    /// A finder for the head of `model`, which computes `batch_size` rows at a time.
    ///
    /// # Errors
    /// If the model has no such head, or its outputs are no labels of a scheme.
    pub fn new(
        model: &dyn Model,
        decoding: Decoding,
        batch_size: usize,
    ) -> Result<Self, EvalError> {
        let table = EntityLabels::of(&output_names(model, HeadKind::TokenClassification)?)?;
        let constraints = Constraints::new(table.names(), table.scheme())?;
        Ok(Self { table, constraints, decoding, batch_size })
    }

    /// The labels of the head.
    pub fn table(&self) -> &EntityLabels {
        &self.table
    }

    /// Calls `visit` with each text, in order. The rows are windows of texts.
    ///
    /// # Errors
    /// If a row cannot be read or is no window, a logit is not finite, or the model fails.
    pub fn for_each(
        &self,
        model: &dyn Model,
        rows: &dyn Dataset,
        visit: &mut dyn FnMut(TaggedText) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        let kind = HeadKind::TokenClassification;
        let mut text = Tokens::default();
        for_each_row(model, kind, rows, self.batch_size, &mut |example, logits| {
            let window = TextWindow::of(example).ok_or_else(|| {
                let (key, field) = (example.key.clone(), "window".to_owned());
                EvalError::MissingField { key, field }
            })?;
            if window.number == 0 {
                text = Tokens::default();
            }
            text.add(&window, logits, self.table.names().len());
            if window.number + 1 == window.count {
                visit(self.decode(example, window.count, std::mem::take(&mut text))?)?;
            }
            Ok(())
        })
    }

    /// The labels of a text.
    fn decode(
        &self,
        example: &Example,
        windows: usize,
        text: Tokens,
    ) -> Result<TaggedText, EvalError> {
        let width = self.table.names().len();
        let (words, logits) = text.words(width);
        let outputs = match self.decoding {
            Decoding::Viterbi => self.constraints.best_sequence(&logits)?,
            Decoding::Greedy => logits.chunks_exact(width).map(greatest).collect(),
        };
        let probabilities = logits.chunks_exact(width).zip(&outputs);
        Ok(TaggedText {
            key: example.key.clone(),
            example: example.clone(),
            windows,
            probabilities: probabilities.map(|(row, output)| softmax(row)[*output]).collect(),
            labels: outputs.iter().map(|output| self.table.names()[*output].clone()).collect(),
            words,
        })
    }
}

/// The position of the greatest number, the first of equal ones.
fn greatest(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

/// The tokens of a text, put together from its windows.
#[derive(Debug, Default)]
struct Tokens {
    offsets: Vec<Span>,
    /// For each token whether it begins a word, as in [`TextWindow`].
    word_starts: Vec<i64>,
    /// For each token its logits, from the window that scores it.
    logits: Vec<f32>,
}

impl Tokens {
    /// Adds a window with the logits of its row.
    fn add(&mut self, window: &TextWindow<'_>, logits: &[f32], width: usize) {
        let known = self.offsets.len() - window.first_token;
        self.offsets.extend(&window.offsets[known..]);
        self.word_starts.extend(&window.word_starts[known..]);
        // The windows score the tokens of the text one after the other.
        self.logits.extend(&logits[window.scored.start * width..window.scored.end * width]);
    }

    /// The characters of each word, and the logits of its first token. A word goes on until the next one begins.
    fn words(&self, width: usize) -> (Vec<(usize, usize)>, Vec<f32>) {
        let (mut words, mut logits): (Vec<(usize, usize)>, _) = (Vec::new(), Vec::new());
        for (token, span) in self.offsets.iter().enumerate() {
            match (self.word_starts[token], words.last_mut()) {
                (1, _) => {
                    words.push((span.start, span.end));
                    logits.extend(&self.logits[token * width..(token + 1) * width]);
                }
                (0, Some(word)) => word.1 = word.1.max(span.end),
                // White space belongs to no word.
                _ => {}
            }
        }
        (words, logits)
    }
}
