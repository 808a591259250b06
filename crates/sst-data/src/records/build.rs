//! Builds a store of records: checks values, numbers labels, tokenizes texts and locates spans.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::labels::{LabelCollector, LabelError};
use super::parse::{self, Parsed};
use super::places::TokenPlaces;
use super::value::{StoredSpan, Value};
use super::writer::RecordWriter;
use super::{Column, ColumnError, ColumnKind, RecordsError, column, spans};
use crate::example::Key;
use crate::ledger::Ledger;
use crate::read::{DocumentWithFields, OnError};
use crate::setting::NamesSettings;
use crate::tokenize::{Encoding, TokenizeError, Tokenizer, UnknownCount};

/// A record that was read and is not tokenized yet.
pub(super) struct Pending {
    key: Key,
    pub(super) values: Vec<Parsed>,
}

/// The token ids of the texts of a record, in the order of its text columns.
type Encoded = Result<Vec<Encoding>, (Key, TokenizeError)>;

/// How many spans of a record have larger tokens than they are.
#[derive(Default)]
struct Widened {
    /// Spans that begin or end within a token.
    spans: u64,
    /// Entities whose first token is also one of the entity before.
    sharing: u64,
}

/// A store that is being built.
pub(super) struct Building<'a> {
    pub(super) columns: &'a [Column],
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) on_error: OnError,
    pub(super) writer: RecordWriter,
    pub(super) labels: BTreeMap<String, LabelCollector>,
    pub(super) ledger: Ledger,
    pub(super) unknown: UnknownCount,
}

impl Building<'_> {
    /// Counts a skipped record, or returns the error if errors are not skipped.
    fn count_or_fail(&self, error: ColumnError) -> Result<(), RecordsError> {
        if self.on_error == OnError::Fail {
            return Err(error.into());
        }
        let name = error.ledger_name();
        // Only the first error of a kind is printed. The ledger counts all of them.
        if self.ledger.count(name) == 0 {
            let setting = error.settings().first().map(|setting| setting.path());
            tracing::warn!(setting, "skipped, like all further ones of this kind: {error}");
        }
        self.ledger.add(name, 1, Some(error.key()));
        Ok(())
    }

    /// The values of a record; `None` if the record is skipped.
    pub(super) fn parsed(
        &self,
        whole: &DocumentWithFields,
    ) -> Result<Option<Pending>, RecordsError> {
        let key = &whole.example.key;
        let text = whole.example.text("text").unwrap_or_default();
        let value = |column: &Column| {
            let raw = whole.fields.iter().find(|raw| *raw.name == *column.field);
            parse::parse(key, column, raw, text)
        };
        let values: Result<Vec<Parsed>, _> = self.columns.iter().map(value).collect();
        match values {
            Ok(values) => Ok(Some(Pending { key: key.clone(), values })),
            Err(error) => self.count_or_fail(error).map(|()| None),
        }
    }

    /// Tokenizes records and adds them to the store, in their order.
    pub(super) fn write(&mut self, records: Vec<Pending>) -> Result<(), RecordsError> {
        let tokenizer = self.tokenizer;
        let encode = |record: &Pending| -> Encoded {
            let texts = record.values.iter().filter_map(Parsed::text);
            let encodings = texts.map(|text| tokenizer.encoding(text));
            encodings.collect::<Result<_, _>>().map_err(|error| (record.key.clone(), error))
        };
        let encoded: Vec<Encoded> = records.par_iter().map(encode).collect();
        for (record, encodings) in records.into_iter().zip(encoded) {
            let tokenize = |(key, error)| RecordsError::Tokenize { key, error };
            self.write_one(record, &encodings.map_err(tokenize)?)?;
        }
        Ok(())
    }

    fn write_one(&mut self, record: Pending, encodings: &[Encoding]) -> Result<(), RecordsError> {
        let Pending { key, values: parsed } = record;
        let tokenizer = self.tokenizer;
        let texts: Vec<String> =
            parsed.iter().filter_map(Parsed::text).map(str::to_owned).collect();
        for (text, encoding) in texts.iter().zip(encodings) {
            let count = tokenizer.count_unknown(&encoding.ids);
            let counted = self.unknown.add(tokenizer, text, count, Some(&key), &self.ledger);
            counted.map_err(|error| RecordsError::Tokenize { key: key.clone(), error })?;
        }
        if encodings.iter().any(|encoding| encoding.ids.is_empty()) {
            self.ledger.add("tokenize.no_tokens", 1, Some(&key));
            return Ok(());
        }
        let (mut values, mut widened) = (Vec::with_capacity(parsed.len()), Widened::default());
        for (column, value) in self.columns.iter().zip(parsed) {
            match self.value(&key, column, value, &texts, encodings, &mut widened) {
                Ok(value) => values.push(value),
                Err(RecordsError::Column(error)) => return self.count_or_fail(error),
                Err(error) => return Err(error),
            }
        }
        self.ledger.add("records.spans_within_tokens", widened.spans, Some(&key));
        self.ledger.add("records.entities_sharing_tokens", widened.sharing, Some(&key));
        for (column, value) in self.columns.iter().zip(&values) {
            if let Some(collector) = self.labels.get_mut(&column.name) {
                value.labels().into_iter().for_each(|label| collector.count(label));
            }
        }
        let lengths: Vec<u32> =
            encodings.iter().map(|encoding| encoding.ids.len() as u32).collect();
        Ok(self.writer.push(&key, &values, &lengths)?)
    }

    /// Numbers the labels of a value and locates its spans.
    fn value(
        &mut self,
        key: &Key,
        column: &Column,
        value: Parsed,
        texts: &[String],
        encodings: &[Encoding],
        widened: &mut Widened,
    ) -> Result<Value, RecordsError> {
        Ok(match value {
            Parsed::Text(text) => Value::Text(text),
            Parsed::Number(number) => Value::Number(number),
            Parsed::Label(label) => Value::Label(self.number(key, column, &label)?),
            Parsed::Labels(labels) => {
                let numbers = labels.iter().map(|label| self.number(key, column, label));
                let mut numbers: Vec<u32> = numbers.collect::<Result<_, _>>()?;
                numbers.sort_unstable();
                numbers.dedup();
                Value::Labels(numbers)
            }
            Parsed::Spans(raw) => {
                let place = column::text_of(column, self.columns);
                let places = TokenPlaces::new(&texts[place], &encodings[place].offsets);
                let mut spans: Vec<StoredSpan> = Vec::with_capacity(raw.len());
                for span in &raw {
                    let label = span.label.as_ref().map(|label| self.number(key, column, label));
                    let located = spans::locate(span, label.transpose()?, &places);
                    let (span, is_larger) =
                        located.map_err(|error| parse::bad_span(key, column, error))?;
                    widened.spans += u64::from(is_larger);
                    spans.push(span);
                }
                if matches!(column.kind, ColumnKind::Entities { .. }) {
                    let share = |pair: &&[StoredSpan]| pair[1].tokens.0 < pair[0].tokens.1;
                    widened.sharing += spans.windows(2).filter(share).count() as u64;
                }
                Value::Spans(spans)
            }
        })
    }

    /// The provisional number of a label.
    fn number(&mut self, key: &Key, column: &Column, label: &str) -> Result<u32, RecordsError> {
        let too_many = || RecordsError::BadLabels {
            column: column.name.clone(),
            reason: format!(
                "are too many to be classes ({key} has another one): choose another field"
            ),
        };
        let collector = self.labels.get_mut(&column.name).ok_or_else(too_many)?;
        collector.number(label).map_err(|error| match error {
            LabelError::TooMany => too_many(),
            LabelError::Unknown(known) => RecordsError::Column(ColumnError::UnknownLabel {
                key: key.clone(),
                field: column.field.clone(),
                label: label.to_owned(),
                known,
            }),
        })
    }
}
