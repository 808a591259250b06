//! One example: the place that it was read from, and its named fields.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::pixels::Pixels;

/// The place that an example was read from, so that any later error can name it.
///
/// It is displayed as `corpus/a.txt:131`, as `corpus/squad.json (question 131)`, or without a record as `cats/1.png`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The file, as the user wrote its path.
    pub source: Arc<str>,
    /// The line (text formats), row (Parquet) or question (SQuAD), counted from 1; 0 if the whole source is the example,
    /// such as a file with a picture.
    pub record: u64,
    /// What [`Key::record`] is the number of.
    pub unit: Unit,
}

/// What the records of a file are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Lines, or rows of a table.
    Line,
    /// Questions, of which a line may have many.
    Question,
}

impl Key {
    /// A key for line or row `record` (from 1) of `source`, or with 0 for the whole of it.
    pub fn new(source: impl Into<Arc<str>>, record: u64) -> Self {
        Self { source: source.into(), record, unit: Unit::Line }
    }

    /// A key for question `number` (from 1) of `source`.
    pub fn question(source: impl Into<Arc<str>>, number: u64) -> Self {
        Self { source: source.into(), record: number, unit: Unit::Question }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.unit, self.record) {
            (Unit::Line, 0) => write!(f, "{}", self.source),
            (Unit::Line, record) => write!(f, "{}:{record}", self.source),
            (Unit::Question, record) => write!(f, "{} (question {record})", self.source),
        }
    }
}

/// The value of one field.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// Text before tokenization.
    Text(String),
    /// Token ids, without special tokens.
    Tokens(Vec<u32>),
    /// An integer, such as a class label.
    Int(i64),
    /// A floating-point number, such as a similarity or difficulty score.
    Float(f64),
    /// Integers, such as the classes of an example with any number of classes.
    Ints(Vec<i64>),
    /// Spans of a text, such as names or answers. The unit is given at [`Span`].
    Spans(Vec<Span>),
    /// A file inside a record, such as a picture that is not decoded yet.
    Bytes(Vec<u8>),
    /// The pixels of a picture.
    Pixels(Pixels),
}

/// A span of a text, with its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first character (in Unicode code points, as in Python), or the first token once the text is tokenised.
    pub start: usize,
    /// The position after the last character or token.
    pub end: usize,
    /// Its class as an index into a table of labels; `None` for spans without a class, such as answers.
    pub label: Option<u32>,
}

/// One example: its origin, its place in the epoch's order, and its fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The place that it was read from.
    pub key: Key,
    /// The index in the data set. Together with `epoch` it keys every random draw made for the example.
    pub index: u64,
    /// The epoch that the example is drawn in, from 0.
    pub epoch: u64,
    /// The fields by name (`text`, `input_ids`, `label`, ...).
    pub fields: BTreeMap<Arc<str>, Field>,
}

impl Example {
    /// An example with one field.
    pub fn new(key: Key, index: u64, name: &str, field: Field) -> Self {
        let fields = BTreeMap::from([(Arc::from(name), field)]);
        Self { key, index, epoch: 0, fields }
    }

    /// The text of field `name`; `None` if there is no such field or it is not text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.fields.get(name) {
            Some(Field::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The token ids of field `name`; `None` if there is no such field or it does not hold token ids.
    pub fn tokens(&self, name: &str) -> Option<&[u32]> {
        match self.fields.get(name) {
            Some(Field::Tokens(ids)) => Some(ids),
            _ => None,
        }
    }

    /// The integer in field `name`, such as the index of a class; `None` if there is no such field or it is not an
    /// integer.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.fields.get(name) {
            Some(Field::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// The integers in field `name`, such as the classes of a row; `None` if there is no such field or it does not hold
    /// integers.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.fields.get(name) {
            Some(Field::Ints(values)) => Some(values),
            _ => None,
        }
    }

    /// The number in field `name`, such as the target of a regression; `None` if there is no such field or it is not a
    /// number.
    pub fn float(&self, name: &str) -> Option<f64> {
        match self.fields.get(name) {
            Some(Field::Float(value)) => Some(*value),
            _ => None,
        }
    }

    /// The bytes of the file in field `name`; `None` if there is no such field or it does not hold a file.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.fields.get(name) {
            Some(Field::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The pixels of field `name`; `None` if there is no such field or it does not hold pixels.
    pub fn pixels(&self, name: &str) -> Option<&Pixels> {
        match self.fields.get(name) {
            Some(Field::Pixels(pixels)) => Some(pixels),
            _ => None,
        }
    }

    /// The spans of field `name`; `None` if there is no such field or it does not hold spans.
    pub fn spans(&self, name: &str) -> Option<&[Span]> {
        match self.fields.get(name) {
            Some(Field::Spans(spans)) => Some(spans),
            _ => None,
        }
    }
}
