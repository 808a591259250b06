//! Records of one file, and the choice of the fields that are read.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::limits::MAX_UNUSED_NAMES;
use super::{ReadError, Source, TEXT};
use crate::example::{Example, Field, Key};
use crate::ledger::Ledger;
use crate::unused::{Unused, UnusedKind};

/// Reads the records of one file. After an error that does not concern a single record, it is not called again.
pub(super) trait Reader: Send {
    /// The next record; `None` at the end.
    fn next(&mut self) -> Option<Result<Record, ReadError>>;

    /// The names of all fields of the last record that [`Reader::next`] returned, for error messages.
    fn names(&self) -> Vec<String> {
        vec![TEXT.to_owned()]
    }

    /// The place of the record with this number. `file` is the name of the file.
    fn key(&self, file: &Arc<str>, number: u64) -> Key {
        Key::new(Arc::clone(file), number)
    }
}

/// One record of a file.
pub(super) struct Record {
    /// The line, row or question, from 1.
    pub(super) number: u64,
    /// The fields that are used. The text is the field `text`.
    pub(super) fields: BTreeMap<Arc<str>, Field>,
    /// The fields that are kept as they are in the file, in its order.
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
    /// The number of bytes of the longest text or file.
    pub(super) fn text_bytes(&self) -> u64 {
        let bytes = |field: &Field| match field {
            Field::Text(text) => text.len(),
            Field::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        self.fields.values().map(bytes).max().unwrap_or(0) as u64
    }
}

/// A document together with all fields of its record.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentWithFields {
    /// The document.
    pub example: Example,
    /// All fields of the record in the order of the file, including the text field.
    pub fields: Vec<RawField>,
}

/// A field of a record as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawField {
    /// The name of the field.
    pub name: Arc<str>,
    /// `"name":value`. For JSON lines these are the bytes of the file, so large integers, `NaN` and escapes are
    /// unchanged. Empty for the text field.
    pub json: String,
    /// Whether it is the text field.
    pub is_text: bool,
}

impl RawField {
    /// The value as JSON, without the name. Empty for the text field.
    pub fn value(&self) -> &str {
        let mut is_escaped = false;
        for (at, c) in self.json.char_indices().skip(1) {
            match c {
                '"' if !is_escaped => {
                    return self.json[at + 1..].trim_start().trim_start_matches(':').trim_start();
                }
                '\\' => is_escaped = !is_escaped,
                _ => is_escaped = false,
            }
        }
        ""
    }

    /// The text field, whose value is in the example.
    pub(super) fn text(name: Arc<str>) -> Self {
        Self { name, json: String::new(), is_text: true }
    }

    /// A field whose value is JSON already.
    pub(super) fn new(name: &str, value: &str) -> Self {
        let json = format!("{}:{value}", Value::String(name.to_owned()));
        Self { name: Arc::from(name), json, is_text: false }
    }
}

/// Which fields are kept as they are in the file.
#[derive(Debug, Clone)]
pub(super) enum Keep {
    /// No field is kept.
    None,
    /// All fields are kept.
    All,
    /// The fields of these names are kept.
    Fields(Vec<Arc<str>>),
}

/// The fields of a file that are used, and the names of those that are not.
pub(super) struct Wanted {
    /// The text field.
    pub(super) text: Arc<str>,
    /// The other fields that are used.
    others: Vec<Arc<str>>,
    /// Which fields are kept as they are in the file.
    keep: Keep,
    /// Whether the text field may hold a file: bytes, or the structure `{bytes, path}` of the `datasets` library.
    #[cfg_attr(
        not(feature = "parquet"),
        expect(dead_code, reason = "only Parquet has files in records")
    )]
    pub(super) takes_files: bool,
    unused: HashSet<Box<str>>,
    /// The ledger that lists the unused fields.
    pub(super) ledger: Ledger,
}

impl Wanted {
    /// Takes the used fields from `source`, and those that are kept as they are from `keep`.
    pub(super) fn new(source: &Source, keep: &Keep, ledger: &Ledger) -> Self {
        let others =
            source.score_field.iter().chain(&source.pair_fields).chain(&source.other_fields);
        let mut others: Vec<Arc<str>> = others.map(|name| Arc::from(name.as_str())).collect();
        others.sort_unstable();
        others.dedup();
        let (text, unused) = (Arc::from(source.text_field.as_str()), HashSet::new());
        let keep = keep.clone();
        Self { text, others, keep, takes_files: false, unused, ledger: ledger.clone() }
    }

    /// The same, where the text field may hold a file.
    pub(super) fn with_files(self, takes_files: bool) -> Self {
        Self { takes_files, ..self }
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

    /// Notes the name of a field that is not used, unless it is kept.
    pub(super) fn found_unused(&mut self, name: &str) {
        if !self.keeps(name) {
            self.list_unused(name);
        }
    }

    /// Lists the name of what no record has, once each, up to [`MAX_UNUSED_NAMES`] names.
    pub(super) fn list_unused(&mut self, name: &str) {
        if self.unused.contains(name) || self.unused.len() > MAX_UNUSED_NAMES {
            return;
        }
        let full = self.unused.len() == MAX_UNUSED_NAMES;
        let mut unused = Unused::new();
        unused.add(UnusedKind::Column, if full { "and others" } else { name });
        self.ledger.add_unused(&unused);
        self.unused.insert(name.into());
    }

    /// Adds the text as the field `text`, replacing any other field of that name.
    pub(super) fn put_text(&self, fields: &mut BTreeMap<Arc<str>, Field>, text: String) {
        fields.insert(Arc::from(TEXT), Field::Text(text));
    }
}

#[cfg(test)]
mod tests {
    use super::RawField;

    #[test]
    fn the_value_of_a_field_is_what_follows_its_name() {
        for (json, value) in [
            (r#""a":1"#, "1"),
            (r#""a" : {"b":"c"}"#, r#"{"b":"c"}"#),
            (r#""a:b\\\"c":"d:e""#, r#""d:e""#),
            ("", ""),
        ] {
            let field = RawField { name: "a".into(), json: json.to_owned(), is_text: false };
            assert_eq!(field.value(), value, "{json}");
        }
    }
}
