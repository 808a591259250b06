//! Makes an example of a record and a window.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::places::TokenPlaces;
use super::super::sequence::Kept;
use super::super::value::{StoredSpan, Value};
use super::super::window::{RECORD, TOKEN_OFFSETS, WINDOW, WINDOW_POSITIONS, WORD_STARTS};
use super::super::{Column, ColumnKind};
use super::encoded::EncodedText;
use super::{Records, Row, Windowed};
use crate::example::{Example, Field, Span};
use crate::rows::DatasetError;
use crate::tokenize::TokenizeError;

/// What is added to the name of a column of entities for the field that says which of them are cut off.
const CUT: &str = ".cut";
/// What is added to the name of a column of entities for the field that says which of them have words in other windows.
const WORD_CUTS: &str = ".cut_words";
/// What is added to the name of a column of spans or entities for the field that says which of them the row has.
const INDEX: &str = ".index";
/// What is added to the name of a column of spans or entities for the field with all of them in characters.
const IN_CHARACTERS: &str = ".characters";

impl Records {
    /// The record as it is stored, with its texts, and its spans in characters.
    pub(super) fn stored(&self, index: u64, row: Row, epoch: u64, values: &[Value]) -> Example {
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
        let (key, fields) = (self.store.key(row.record), fields.collect::<BTreeMap<_, _>>());
        Example { key, index, epoch, fields }
    }

    /// Adds the token ids of the texts that the row holds, converts spans to tokens, and says which window it is.
    pub(super) fn tokenise(
        &self,
        example: &mut Example,
        row: Row,
        values: &[Value],
    ) -> Result<(), DatasetError> {
        let mut of_windows: Option<(usize, Arc<EncodedText>)> = None;
        for (number, sequence) in self.sequences.iter().enumerate() {
            let windowed = self.windowed.filter(|windowed| windowed.sequence == number);
            let encoded = windowed.map(|windowed| self.windowed_text(example, row, windowed));
            let encoded = encoded.transpose()?;
            let ids = |column: usize| match (windowed, &encoded) {
                (Some(windowed), Some(text)) if windowed.column == column => Ok(text.ids.clone()),
                _ => self.ids(example, column),
            };
            let first = ids(sequence.first)?;
            let second = sequence.second.map(ids).transpose()?.unwrap_or_default();
            let (of_first, of_second) = self.kept(number, row.window, first.len(), second.len());
            let (Some(first_ids), Some(second_ids)) = (of_first.of(&first), of_second.of(&second))
            else {
                let reason = "its text has other tokens than when it was prepared: prepare the records again";
                return Err(unreadable(example, reason.to_owned()));
            };
            let (ids, types) = self.framing.join(sequence, first_ids, second_ids);
            example.fields.insert(Arc::clone(&sequence.ids), Field::Tokens(ids));
            if let Some(types) = types {
                example.fields.insert(Arc::clone(&sequence.types), Field::Tokens(types));
            }
            if let (Some(windowed), Some(text)) = (windowed, encoded) {
                let windows = self.windows_of(windowed, first.len(), second.len());
                let kept = if sequence.second.is_some() { of_second } else { of_first };
                let position = |token: usize| (token - kept.range.0 + kept.at) as i64;
                let (from, to) = windows.scored(row.window);
                let window =
                    [row.window, windows.count(), kept.range.0].map(|number| number as i64);
                let positions = [kept.at as i64, position(from), position(to)];
                let tokens = kept.range.0..kept.range.1;
                let offsets = text.offsets[tokens.clone()].to_vec();
                let word_starts = text.word_starts[tokens].to_vec();
                for (name, field) in [
                    (RECORD, Field::Int(row.record as i64)),
                    (WINDOW, Field::Ints(window.to_vec())),
                    (WINDOW_POSITIONS, Field::Ints(positions.to_vec())),
                    (TOKEN_OFFSETS, Field::Spans(offsets)),
                    (WORD_STARTS, Field::Ints(word_starts)),
                ] {
                    example.fields.insert(Arc::from(name), field);
                }
                of_windows = Some((windowed.column, text));
            }
        }
        // No transform changes a text with spans, so its tokens are the ones that were counted.
        let lengths = self.store.text_lengths(row.record);
        for (at, column) in self.store.columns().iter().enumerate() {
            let (Value::Spans(spans), Some(kept)) =
                (&values[at], self.kept_of(at, row.window, &lengths))
            else {
                continue;
            };
            insert_spans(example, column, spans, kept);
            let text = column.spanned_text();
            if let (Some((windowed, encoded)), ColumnKind::Entities { .. }) =
                (&of_windows, &column.kind)
                && text == Some(&*self.store.columns()[*windowed].name)
            {
                let cuts = word_cuts(spans, kept, &encoded.word_starts);
                let name = format!("{}{WORD_CUTS}", column.name);
                example.fields.insert(Arc::from(name), Field::Ints(cuts));
            }
        }
        Ok(())
    }

    fn text<'a>(&self, example: &'a Example, column: usize) -> Result<&'a str, DatasetError> {
        let name = self.store.columns()[column].name.as_str();
        example.text(name).ok_or_else(|| {
            let reason = format!("the transforms left no text in column `{name}`: remove one");
            unreadable(example, reason)
        })
    }

    /// The token ids of a text.
    fn ids(&self, example: &Example, column: usize) -> Result<Vec<u32>, DatasetError> {
        let ids = self.tokenizer.encode(self.text(example, column)?);
        let ids = ids.map_err(|error: TokenizeError| unreadable(example, error.to_string()))?;
        if ids.is_empty() {
            let name = self.store.columns()[column].name.as_str();
            let reason = format!(
                "the transforms left no token in column `{name}`: make them milder, or remove one"
            );
            return Err(unreadable(example, reason));
        }
        Ok(ids)
    }

    /// The text that is read in windows, with the characters of its tokens.
    fn windowed_text(
        &self,
        example: &Example,
        row: Row,
        windowed: Windowed,
    ) -> Result<Arc<EncodedText>, DatasetError> {
        let text = self.text(example, windowed.column)?;
        let encode = || -> Result<EncodedText, DatasetError> {
            let encoding = self.tokenizer.encoding(text);
            let encoding = encoding.map_err(|error| unreadable(example, error.to_string()))?;
            let places = TokenPlaces::new(text, &encoding.offsets);
            let (offsets, word_starts) = (places.in_characters(), places.word_starts());
            Ok(EncodedText { ids: encoding.ids, offsets, word_starts })
        };
        let windows = self.windows(windowed, &self.store.text_lengths(row.record));
        match windows.count() {
            1 => Ok(Arc::new(encode()?)),
            _ => self.encoded.get(row.record, encode),
        }
    }
}

fn unreadable(example: &Example, reason: String) -> DatasetError {
    DatasetError::Unreadable { key: example.key.clone(), reason }
}

fn in_characters(span: &StoredSpan) -> Span {
    let (start, end) = span.characters;
    Span { start: start as usize, end: end as usize, label: span.label }
}

/// Adds the spans of a column in tokens of its sequence, which holds the tokens `kept` of their text, and all of them in
/// characters under a second name. A span of which a token is cut off is left out. Of an entity the tokens inside are kept, and a further field
/// says where it is cut off.
fn insert_spans(example: &mut Example, column: &Column, spans: &[StoredSpan], kept: Kept) {
    let are_entities = matches!(column.kind, ColumnKind::Entities { .. });
    let (first, last) = kept.range;
    let (mut inside, mut cuts, mut indices) = (Vec::new(), Vec::new(), Vec::new());
    for (span, index) in spans.iter().zip(0..) {
        let (start, end) = (span.tokens.0 as usize, span.tokens.1 as usize);
        let cut = i64::from(start < first) + 2 * i64::from(last < end);
        let (start, end) = (start.max(first), end.min(last));
        if start < end && (cut == 0 || are_entities) {
            let position = |token: usize| token - first + kept.at;
            let (start, end) = (position(start), position(end));
            inside.push(Span { start, end, label: span.label });
            cuts.push(cut);
            indices.push(index);
        }
    }
    let name = column.name.as_str();
    let all = spans.iter().map(in_characters).collect();
    example.fields.insert(Arc::from(format!("{name}{IN_CHARACTERS}")), Field::Spans(all));
    example.fields.insert(Arc::from(format!("{name}{INDEX}")), Field::Ints(indices));
    example.fields.insert(Arc::from(name), Field::Spans(inside));
    if are_entities {
        example.fields.insert(Arc::from(format!("{name}{CUT}")), Field::Ints(cuts));
    }
}

/// For each entity of which the window has a token: 1 if its first word begins before the window, plus 2 if its last word
/// begins after the window. A word is there if its first token is.
fn word_cuts(spans: &[StoredSpan], kept: Kept, word_starts: &[i64]) -> Vec<i64> {
    let (first, last) = kept.range;
    // The first token of the word that a token belongs to.
    let word_of = |token: usize| {
        let before = word_starts.get(..=token).unwrap_or_default();
        before.iter().rposition(|starts| *starts == 1).unwrap_or(0)
    };
    let tokens = spans.iter().map(|span| (span.tokens.0 as usize, span.tokens.1 as usize));
    let inside = tokens.filter(|(start, end)| (*start).max(first) < (*end).min(last));
    inside
        .map(|(start, end)| {
            i64::from(word_of(start) < first) + 2 * i64::from(word_of(end - 1) >= last)
        })
        .collect()
}
