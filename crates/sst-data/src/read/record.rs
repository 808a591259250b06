//! Records: what a reader of one file gives, and which fields of them are wanted.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::limits::MAX_UNUSED_NAMES;
use super::{ReadError, Source, TEXT};
use crate::example::{Example, Field};
use crate::ledger::Ledger;
use crate::unused::{Unused, UnusedKind};

/// The records of one file. After an error that is not of one record, nothing more is asked.
pub(super) trait Reader: Send {
    /// The next record; `None` at the end.
    fn next(&mut self) -> Option<Result<Record, ReadError>>;

    /// The names of all fields of the record that [`Reader::next`] gave last, for errors.
    fn names(&self) -> Vec<String> {
        vec![TEXT.to_owned()]
    }
}

/// One record of a file.
pub(super) struct Record {
    /// Its line or row, from 1.
    pub(super) number: u64,
    /// The fields that are used, the text among them as `text`.
    pub(super) fields: BTreeMap<Arc<str>, Field>,
    /// All fields in the order of the file, where they are kept.
    pub(super) whole: Vec<RawField>,
}

impl Record {
    /// A record of a format without fields.
    pub(super) fn of_text(number: u64, text: String) -> Self {
        let whole = vec![RawField { name: Arc::from(TEXT), json: String::new(), is_text: true }];
        Self { number, fields: BTreeMap::from([(Arc::from(TEXT), Field::Text(text))]), whole }
    }
}

impl Record {
    /// The bytes of the longest of its texts.
    pub(super) fn text_bytes(&self) -> u64 {
        let bytes = |field: &Field| if let Field::Text(text) = field { text.len() } else { 0 };
        self.fields.values().map(bytes).max().unwrap_or(0) as u64
    }
}

/// A document with all fields of its record.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// The document.
    pub example: Example,
    /// All fields of the record in the order of the file, the one with the text among them.
    pub fields: Vec<RawField>,
}

/// A field as the file has it, in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawField {
    /// Its name.
    pub name: Arc<str>,
    /// `"name":value`, of JSON lines byte for byte: large integers, `NaN` and escapes are not touched. Empty for the text.
    pub json: String,
    /// Whether it is the field with the text.
    pub is_text: bool,
}

impl RawField {
    /// The field with the text, whose value is in the example.
    pub(super) fn text(name: Arc<str>) -> Self {
        Self { name, json: String::new(), is_text: true }
    }

    /// A field whose value is already JSON.
    pub(super) fn new(name: &str, value: &str) -> Self {
        let json = format!("{}:{value}", Value::String(name.to_owned()));
        Self { name: Arc::from(name), json, is_text: false }
    }
}

/// Which fields are kept as the file has them.
#[derive(Debug, Clone)]
pub(super) enum Keep {
    /// None.
    None,
    /// All.
    All,
    /// Those of these names.
    Fields(Vec<Arc<str>>),
}

/// Which fields of a file are used, and which were found and are not.
pub(super) struct Wanted {
    /// The field with the text.
    pub(super) text: Arc<str>,
    /// The other fields that are used.
    others: Vec<Arc<str>>,
    /// Which fields are kept as they are.
    keep: Keep,
    unused: HashSet<Box<str>>,
    /// Where it is told.
    pub(super) ledger: Ledger,
}

impl Wanted {
    /// The fields that `source` uses, and those that are kept as they are.
    pub(super) fn new(source: &Source, keep: &Keep, ledger: &Ledger) -> Self {
        let others =
            source.score_field.iter().chain(&source.pair_fields).chain(&source.other_fields);
        let mut others: Vec<Arc<str>> = others.map(|name| Arc::from(name.as_str())).collect();
        others.sort_unstable();
        others.dedup();
        let (text, unused) = (Arc::from(source.text_field.as_str()), HashSet::new());
        let keep = keep.clone();
        Self { text, others, keep, unused, ledger: ledger.clone() }
    }

    /// Whether a field is used.
    pub(super) fn uses(&self, name: &str) -> bool {
        *name == *self.text || self.others.iter().any(|other| **other == *name)
    }

    /// Whether a field is kept as it is.
    pub(super) fn keeps(&self, name: &str) -> bool {
        match &self.keep {
            Keep::None => false,
            Keep::All => true,
            Keep::Fields(names) => names.iter().any(|kept| **kept == *name),
        }
    }

    /// Whether all fields are kept as they are.
    pub(super) fn keeps_all(&self) -> bool {
        matches!(self.keep, Keep::All)
    }

    /// Notes that a field was found and not used; once each, up to [`MAX_UNUSED_NAMES`].
    pub(super) fn found_unused(&mut self, name: &str) {
        if self.keeps(name) || self.unused.contains(name) || self.unused.len() > MAX_UNUSED_NAMES {
            return;
        }
        let full = self.unused.len() == MAX_UNUSED_NAMES;
        let mut unused = Unused::new();
        unused.add(UnusedKind::Column, if full { "and others" } else { name });
        self.ledger.add_unused(&unused);
        self.unused.insert(name.into());
    }

    /// Puts the text among the fields. Another field of the name `text` is not the text and gives way.
    pub(super) fn put_text(&self, fields: &mut BTreeMap<Arc<str>, Field>, text: String) {
        fields.insert(Arc::from(TEXT), Field::Text(text));
    }
}
