//! Reads sentences whose words have tags, and makes records of a text with its entities of them.

mod conll;
mod conllu;
mod join;
mod scheme;
mod sentence;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::error::name_fields;
use super::limits::{MAX_HEAD_BYTES, MAX_HEAD_SENTENCES};
use super::lines::LineReader;
use super::record::{RawField, Reader, Record, Wanted};
use super::{ReadError, Source, TEXT};
use crate::example::{Field, Key};
use scheme::TagReader;
pub use scheme::TagScheme;
use sentence::{Sentence, Sentences};

/// The fields of a record, beside its text.
const ENTITIES: &str = "entities";
const WORDS: &str = "words";
const TAGS: &str = "tags";

/// A reader of one sentence a record, with the fields `text`, `entities`, `words` and `tags`. The number of a record is
/// the line of its first word.
///
/// The scheme of the tags is found from the first sentences, unless it is given. A sentence that does not follow it is
/// read by the rule of [`read_lenient`](crate::entities::read_lenient), which loses no entity, and is counted as
/// `read.repaired_tags`.
pub(super) struct Tagged {
    sentences: Box<dyn Sentences>,
    name: Arc<str>,
    wanted: Wanted,
    scheme: Option<TagScheme>,
    /// The sentences that the scheme was found from and that are not returned yet.
    head: VecDeque<Result<Sentence, ReadError>>,
    tags: Option<TagReader>,
}

impl Tagged {
    /// Opens a file of columns, called `name` in errors.
    pub(super) fn conll(
        path: &Path,
        name: Arc<str>,
        wanted: Wanted,
        source: &Source,
    ) -> Result<Self, ReadError> {
        let lines = LineReader::open(path, name.clone(), &wanted.ledger)?;
        let field = source.tag_field.as_deref();
        let sentences = conll::Conll::new(lines, name.clone(), field, &wanted.ledger)?;
        Ok(Self::new(Box::new(sentences), name, wanted, source.tag_scheme))
    }

    /// Opens a file of CoNLL-U, called `name` in errors.
    pub(super) fn conllu(
        path: &Path,
        name: Arc<str>,
        mut wanted: Wanted,
        source: &Source,
    ) -> Result<Self, ReadError> {
        let lines = LineReader::open(path, name.clone(), &wanted.ledger)?;
        let column = conllu::TagColumn::new(source.tag_field.as_deref());
        column.unused().for_each(|column| wanted.list_unused(column));
        let scheme = source.tag_scheme.or(column.scheme());
        let sentences = conllu::Conllu::new(lines, name.clone(), column, &wanted.ledger);
        Ok(Self::new(Box::new(sentences), name, wanted, scheme))
    }

    fn new(
        sentences: Box<dyn Sentences>,
        name: Arc<str>,
        wanted: Wanted,
        scheme: Option<TagScheme>,
    ) -> Self {
        Self { sentences, name, wanted, scheme, head: VecDeque::new(), tags: None }
    }

    /// Reads the first sentences and finds the scheme of their tags.
    fn read_head(&mut self) -> Result<TagReader, ReadError> {
        let mut bytes = 0;
        while self.head.len() < MAX_HEAD_SENTENCES && bytes < MAX_HEAD_BYTES {
            let Some(sentence) = self.sentences.next() else { break };
            bytes += sentence.as_ref().map_or(0, |sentence| sentence.bytes);
            let is_last = sentence.as_ref().is_err_and(|error| !error.is_one_record());
            self.head.push_back(sentence);
            if is_last {
                break;
            }
        }
        let sentences = self.head.iter().flatten();
        let tags = sentences.map(|sentence| sentence.words.iter().map(|word| &*word.tag).collect());
        let reader = TagReader::new(self.scheme, &tags.collect::<Vec<_>>());
        let reader = reader.map_err(|reason| {
            let path = self.name.to_string();
            ReadError::BadTags { path, reason }
        })?;
        if self.scheme.is_none() && !self.head.is_empty() {
            self.wanted.ledger.add_items("read.tag_schemes", [&reader.name().to_owned()]);
        }
        Ok(reader)
    }

    fn record(&mut self, tags: &TagReader, sentence: &Sentence) -> Result<Record, ReadError> {
        let key = |line: u64| Key::new(self.name.clone(), line);
        let words = &sentence.words;
        let number = words.first().map_or(0, |word| word.line);
        let found = tags.entities(words).map_err(|error| {
            let (key, reason) = (key(error.line), error.reason);
            ReadError::Malformed { key, reason }
        })?;
        if *self.wanted.text != *TEXT {
            let (field, found) = (self.wanted.text.to_string(), self.names());
            let found = name_fields(found.iter().map(String::as_str));
            return Err(ReadError::MissingField { key: key(number), field, found });
        }
        self.wanted.ledger.add(
            "read.repaired_tags",
            u64::from(found.is_repaired),
            Some(&key(number)),
        );
        let (text, places) = join::join(words);
        let entity = |entity: &scheme::Entity| {
            let (start, end) = (places[entity.start].0, places[entity.end - 1].1);
            json!({"start": start, "end": end, "label": entity.label})
        };
        let entities: Vec<Value> = found.entities.iter().map(entity).collect();
        let forms: Vec<&str> = words.iter().map(|word| &*word.form).collect();
        let tags: Vec<&str> = words.iter().map(|word| &*word.tag).collect();
        let mut whole = Vec::new();
        if self.wanted.keeps(TEXT) {
            whole.push(RawField::text(Arc::from(TEXT)));
        }
        for (name, value) in
            [(ENTITIES, json!(entities)), (WORDS, json!(forms)), (TAGS, json!(tags))]
        {
            if self.wanted.keeps(name) {
                whole.push(RawField::new(name, &value.to_string()));
            } else if !self.wanted.uses(name) {
                self.wanted.found_unused(name);
            }
        }
        let fields = BTreeMap::from([(Arc::from(TEXT), Field::Text(text))]);
        Ok(Record { number, fields, whole })
    }
}

impl Reader for Tagged {
    fn next(&mut self) -> Option<Result<Record, ReadError>> {
        let tags = match self.tags.take() {
            Some(tags) => tags,
            None => match self.read_head() {
                Ok(tags) => tags,
                Err(error) => return Some(Err(error)),
            },
        };
        let sentence = self.head.pop_front().or_else(|| self.sentences.next());
        let record = sentence.map(|sentence| self.record(&tags, &sentence?));
        self.tags = Some(tags);
        record
    }

    fn names(&self) -> Vec<String> {
        [TEXT, ENTITIES, WORDS, TAGS].map(str::to_owned).to_vec()
    }
}
