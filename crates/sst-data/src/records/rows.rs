//! Rows over a store of records: one row for each record, which is tokenized when the row is requested.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::column::check_transforms;
use super::sequence::{Framing, Kept, Sequence, sequences};
use super::value::{StoredSpan, Value};
use super::{ColumnKind, RecordStore, RecordsError};
use crate::example::{Example, Field, Key, Span};
use crate::ledger::Ledger;
use crate::rows::{Dataset, DatasetError, Subset};
use crate::tokenize::{TokenizeError, Tokenizer};
use crate::transform::Transforms;

/// Rows over a [`RecordStore`], one for each record.
///
/// An example has the token ids of its texts as `input_ids` (`input_ids.1` and so on if there are several sequences),
/// with `token_type_ids` for pairs, and each column under its name, as [`ColumnKind`] describes. Like a document, a
/// record is in the validation set by one draw on its index.
pub struct Records {
    store: Arc<RecordStore>,
    tokenizer: Tokenizer,
    transforms: Transforms,
    sequences: Vec<Sequence>,
    framing: Framing,
    /// The text columns, in their order.
    texts: Vec<usize>,
    /// The records of the subset; `None` for all records.
    records: Option<Vec<u64>>,
    len: u64,
}

impl Records {
    /// Makes rows whose sequences have at most `max_length` tokens each, special tokens included. A longer text is
    /// truncated on the side that the tokenizer declares. Of a pair, the longer text is truncated first.
    ///
    /// Truncation is counted in `ledger` here, once, as `rows.truncated_documents` (records) and
    /// `rows.truncated_tokens`. A span of which a token is cut off is missing from its example, and counted as
    /// `rows.truncated_spans`. All counts are for the records as they are stored; transforms may make them longer or
    /// shorter.
    ///
    /// # Errors
    /// If the store was prepared with another tokenizer or cannot be read, `max_length` leaves no room beside the
    /// special tokens, the fraction is not in `[0, 1)`, or a transform is not compatible with the columns.
    pub fn new(
        store: Arc<RecordStore>,
        tokenizer: &Tokenizer,
        transforms: Transforms,
        subset: Subset,
        max_length: usize,
        ledger: &Ledger,
    ) -> Result<Self, RecordsError> {
        if let Subset::Train { fraction } | Subset::Validation { fraction } = subset
            && !(0.0..1.0).contains(&fraction)
        {
            return Err(RecordsError::BadFraction(fraction));
        }
        if store.tokenizer() != tokenizer.fingerprint() {
            return Err(RecordsError::OtherTokenizer);
        }
        let columns = store.columns();
        check_transforms(&transforms, columns)?;
        let sequences = sequences(columns);
        let has_pairs = sequences.iter().any(|sequence| sequence.second.is_some());
        let pair = has_pairs.then(|| tokenizer.pair_template()).transpose();
        let framing = Framing::new(
            tokenizer.special_token_template().clone(),
            pair.map_err(RecordsError::Pairs)?,
            max_length,
            tokenizer.truncation_side(),
            &sequences,
        )?;
        let texts = (0..columns.len()).filter(|at| columns[*at].is_text()).collect();
        let is_whole = matches!(subset, Subset::All | Subset::Train { fraction: 0.0 });
        let records: Option<Vec<u64>> = (!is_whole)
            .then(|| (0..store.num_records()).filter(|number| subset.contains(*number)).collect());
        let len = records.as_ref().map_or(store.num_records(), |records| records.len() as u64);
        let tokenizer = tokenizer.clone();
        let rows = Self { store, tokenizer, transforms, sequences, framing, texts, records, len };
        rows.count_cut(ledger)?;
        Ok(rows)
    }

    /// The store of the records.
    pub fn store(&self) -> &Arc<RecordStore> {
        &self.store
    }

    /// Counts the truncated records, tokens and spans.
    fn count_cut(&self, ledger: &Ledger) -> Result<(), RecordsError> {
        let has_spans =
            |at: usize| matches!(self.store.columns()[at].kind, ColumnKind::Spans { .. });
        let span_columns: Vec<usize> =
            (0..self.store.columns().len()).filter(|at| has_spans(*at)).collect();
        for index in 0..self.len {
            let number = self.number(index);
            let lengths = self.store.text_lengths(number);
            let cut = |sequence| {
                let (first, second) = self.text_lengths(sequence, &lengths);
                self.framing.count(sequence, first, second).1
            };
            let cut: usize = self.sequences.iter().map(cut).sum();
            if cut == 0 {
                continue;
            }
            let key = self.store.key(number);
            ledger.add("rows.truncated_documents", 1, Some(&key));
            ledger.add("rows.truncated_tokens", cut as u64, Some(&key));
            if span_columns.is_empty() {
                continue;
            }
            let values = self.store.values(number)?;
            for column in &span_columns {
                let (Value::Spans(spans), Some(kept)) =
                    (&values[*column], self.kept_of(*column, &lengths))
                else {
                    continue;
                };
                let lost = spans.iter().filter(|span| in_sequence(span, kept).is_none()).count();
                ledger.add("rows.truncated_spans", lost as u64, Some(&key));
            }
        }
        Ok(())
    }

    /// The index in the store of row `index`.
    fn number(&self, index: u64) -> u64 {
        self.records.as_ref().map_or(index, |records| records[index as usize])
    }

    /// The token counts of the two texts of a sequence, from those of all texts of a record.
    fn text_lengths(&self, sequence: &Sequence, lengths: &[usize]) -> (usize, usize) {
        let length = |column: usize| {
            let text = self.texts.iter().position(|text| *text == column);
            text.and_then(|text| lengths.get(text)).copied().unwrap_or(0)
        };
        (length(sequence.first), sequence.second.map_or(0, length))
    }

    /// The kept tokens of the text that the spans of `column` belong to; `None` if the column holds no spans.
    fn kept_of(&self, column: usize, lengths: &[usize]) -> Option<Kept> {
        let columns = self.store.columns();
        let ColumnKind::Spans { text } = &columns[column].kind else { return None };
        let text = columns.iter().position(|column| column.name == *text)?;
        let of_text =
            |sequence: &&Sequence| sequence.first == text || sequence.second == Some(text);
        let sequence = self.sequences.iter().find(of_text)?;
        let (first, second) = self.text_lengths(sequence, lengths);
        let (of_first, of_second) = self.framing.kept(sequence, first, second);
        Some(if sequence.first == text { of_first } else { of_second })
    }

    /// The record as it is stored, with its texts, and its spans in characters.
    fn stored(&self, index: u64, epoch: u64, values: &[Value]) -> Example {
        let fields = self.store.columns().iter().zip(values).map(|(column, value)| {
            let field = match value {
                Value::Text(text) => Field::Text(text.clone()),
                Value::Label(label) => Field::Int(i64::from(*label)),
                Value::Labels(labels) => {
                    Field::Ints(labels.iter().map(|label| i64::from(*label)).collect())
                }
                Value::Number(number) => Field::Float(*number),
                Value::Spans(spans) => Field::Spans(spans.iter().map(in_characters).collect()),
            };
            (Arc::from(column.name.as_str()), field)
        });
        Example { key: self.key(index), index, epoch, fields: fields.collect::<BTreeMap<_, _>>() }
    }

    /// Adds the token ids of the texts, and converts spans to tokens.
    fn tokenise(&self, example: &mut Example, values: &[Value]) -> Result<(), DatasetError> {
        let columns = self.store.columns();
        let encode = |example: &Example, column: usize| -> Result<Vec<u32>, DatasetError> {
            let name = columns[column].name.as_str();
            let unreadable =
                |reason: String| DatasetError::Unreadable { key: example.key.clone(), reason };
            let text = example.text(name).ok_or_else(|| {
                unreadable(format!("the transforms left no text in column `{name}`: remove one"))
            })?;
            let ids = self.tokenizer.encode(text);
            let ids = ids.map_err(|error: TokenizeError| unreadable(error.to_string()))?;
            match ids.is_empty() {
                true => Err(unreadable(format!(
                    "the transforms left no token in column `{name}`: make them milder, or remove one"
                ))),
                false => Ok(ids),
            }
        };
        for sequence in &self.sequences {
            let first = encode(example, sequence.first)?;
            let second = sequence.second.map(|second| encode(example, second)).transpose()?;
            let (ids, types) =
                self.framing.join(sequence, &first, second.as_deref().unwrap_or_default());
            example.fields.insert(Arc::clone(&sequence.ids), Field::Tokens(ids));
            if let Some(types) = types {
                example.fields.insert(Arc::clone(&sequence.types), Field::Tokens(types));
            }
        }
        // No transform changes a text with spans, so its tokens are the ones that were counted.
        let lengths = self.store.text_lengths(self.number(example.index));
        for (at, column) in columns.iter().enumerate() {
            if let (Value::Spans(spans), Some(kept)) = (&values[at], self.kept_of(at, &lengths)) {
                let spans = spans.iter().filter_map(|span| in_sequence(span, kept)).collect();
                example.fields.insert(Arc::from(column.name.as_str()), Field::Spans(spans));
            }
        }
        Ok(())
    }
}

fn in_characters(span: &StoredSpan) -> Span {
    let (start, end) = span.characters;
    Span { start: start as usize, end: end as usize, label: span.label }
}

/// Converts a span to tokens of its sequence; `None` if a token of it is cut off.
fn in_sequence(span: &StoredSpan, kept: Kept) -> Option<Span> {
    let (start, end) = (span.tokens.0 as usize, span.tokens.1 as usize);
    let (first, last) = kept.range;
    (first <= start && end <= last).then(|| Span {
        start: start - first + kept.at,
        end: end - first + kept.at,
        label: span.label,
    })
}

impl Dataset for Records {
    fn len(&self) -> u64 {
        self.len
    }

    /// The length over all its sequences, before transforms.
    fn row_length(&self, index: u64) -> usize {
        if index >= self.len {
            return 0;
        }
        let lengths = self.store.text_lengths(self.number(index));
        let count = |sequence| {
            let (first, second) = self.text_lengths(sequence, &lengths);
            self.framing.count(sequence, first, second).0
        };
        self.sequences.iter().map(count).sum()
    }

    fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError> {
        if index >= self.len {
            return Err(DatasetError::OutOfRange { index, len: self.len });
        }
        let values = self.store.values(self.number(index))?;
        let stored = self.stored(index, epoch, &values);
        let transformed = self.transforms.apply(stored);
        let mut example = transformed.map_err(|error| DatasetError::Unreadable {
            key: self.key(index),
            reason: error.to_string(),
        })?;
        self.tokenise(&mut example, &values)?;
        Ok(example)
    }

    fn key(&self, index: u64) -> Key {
        match index < self.len {
            true => self.store.key(self.number(index)),
            false => Key::new("?", 0),
        }
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("store", &self.store).field("len", &self.len).finish()
    }
}
