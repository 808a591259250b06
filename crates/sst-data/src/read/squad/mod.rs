//! Reads questions with their contexts and answers, from the JSON of SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016 and 2018)
//! and of CMRC 2018 (Cui et al. 2019).
//!
//! ```text
//! {"data": [{"title": .., "paragraphs": [{"context": .., "qas": [{"id": .., "question": .., "answers": [..]}]}]}]}
//! [{"context_text": .., "qas": [{"query_id": .., "query_text": .., "answers": ["..", ".."]}]}]
//! ```

mod answers;
mod members;
mod stream;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::ReadError;
use super::error::name_fields;
use super::json::ArrayCursor;
use super::json_text::{self, StringError, kind_of};
use super::record::{RawField, Reader, Record, Wanted};
use crate::example::{Field, Key};
use members::Members;
use stream::Elements;

/// The keys for which CMRC 2018 has other names in its list form.
const ID: [&str; 2] = ["id", "query_id"];
const QUESTION: [&str; 2] = ["question", "query_text"];
const CONTEXT: [&str; 2] = ["context", "context_text"];
const TITLE: &str = "title";
const ANSWERS: &str = "answers";
const IS_IMPOSSIBLE: &str = "is_impossible";
const PARAGRAPHS: &str = "paragraphs";
const QUESTIONS: &str = "qas";
/// The key at the top of a file that is not listed as unused. It names the release of the data.
const VERSION: &str = "version";

/// The name of a field, and where its value is in the bytes of the element.
type Place = (String, Range<usize>);

/// A reader of one question a record. The number of a record is that of its question in the file, from 1.
pub(super) struct Squad {
    elements: Elements,
    name: Arc<str>,
    wanted: Wanted,
    /// The number of questions so far.
    count: u64,
    article: Option<Article>,
    paragraph: Option<Paragraph>,
    /// The names of the fields of the last question.
    names: Vec<String>,
}

/// The fields of an article, and its paragraphs that are not read yet.
struct Article {
    fields: Vec<Place>,
    paragraphs: ArrayCursor,
}

/// The fields of a paragraph and its article, the place of its context, and its questions that are not read yet.
struct Paragraph {
    fields: Vec<Place>,
    context: Range<usize>,
    questions: ArrayCursor,
}

impl Squad {
    /// Opens `path`, called `name` in errors.
    pub(super) fn open(path: &Path, name: Arc<str>, wanted: Wanted) -> Result<Self, ReadError> {
        let elements = Elements::open(path, name.clone(), &wanted.ledger)?;
        let (article, paragraph) = (None, None);
        Ok(Self { elements, name, wanted, count: 0, article, paragraph, names: Vec::new() })
    }

    /// The key of the next question.
    fn next_key(&self) -> Key {
        Key::question(self.name.clone(), self.count + 1)
    }

    /// The error of what begins at byte `at` of the last element and is no question.
    fn malformed(&self, at: usize, reason: impl Into<String>) -> ReadError {
        ReadError::Malformed { key: self.elements.line_of(at), reason: reason.into() }
    }

    /// The next question; `None` at the end.
    fn question(&mut self) -> Option<Result<Range<usize>, ReadError>> {
        loop {
            if let Some(paragraph) = &mut self.paragraph {
                match paragraph.questions.next(self.elements.bytes()) {
                    Ok(Some(range)) => return Some(Ok(range)),
                    Ok(None) => self.paragraph = None,
                    Err(error) => {
                        self.paragraph = None;
                        return Some(Err(self.malformed(0, error.what)));
                    }
                }
            } else if let Some(article) = &mut self.article {
                match article.paragraphs.next(self.elements.bytes()) {
                    Ok(Some(range)) => {
                        let fields = article.fields.clone();
                        let members = Members::read(self.elements.bytes(), &range);
                        let members = members.map_err(|reason| format!("a paragraph {reason}"));
                        match members.and_then(|members| self.paragraph(members, fields)) {
                            Ok(paragraph) => self.paragraph = Some(paragraph),
                            Err(reason) => return Some(Err(self.malformed(range.start, reason))),
                        }
                    }
                    Ok(None) => self.article = None,
                    Err(error) => {
                        self.article = None;
                        return Some(Err(self.malformed(0, error.what)));
                    }
                }
            } else {
                let read = self.elements.advance();
                for key in std::mem::take(&mut self.elements.keys) {
                    if key != VERSION {
                        self.wanted.list_unused(&key);
                    }
                }
                let entered = read?.and_then(|()| {
                    let entered = self.enter();
                    entered.map_err(|reason| self.malformed(0, reason))
                });
                if let Err(error) = entered {
                    return Some(Err(error));
                }
            }
        }
    }

    /// Enters the element of the list that was read last: an article, or in the list form of CMRC 2018 a paragraph.
    fn enter(&mut self) -> Result<(), String> {
        let bytes = self.elements.bytes();
        let members = Members::read(bytes, &(0..bytes.len()));
        let mut members = members.map_err(|reason| format!("an article {reason}"))?;
        let title = members.take(&[TITLE]).map(|range| (TITLE.to_owned(), range));
        let mut fields: Vec<Place> = title.into_iter().collect();
        let Some(range) = members.take(&[PARAGRAPHS]) else {
            self.paragraph = Some(self.paragraph(members, fields)?);
            return Ok(());
        };
        fields.extend(members.rest("article."));
        let paragraphs = array(bytes, &range, PARAGRAPHS)?;
        self.article = Some(Article { fields, paragraphs });
        Ok(())
    }

    /// A paragraph with these members. `fields` are those of its article.
    fn paragraph(&self, mut members: Members, mut fields: Vec<Place>) -> Result<Paragraph, String> {
        let (context, questions) = (members.take(&CONTEXT), members.take(&[QUESTIONS]));
        let (Some(context), Some(questions)) = (context, questions) else {
            return Err("a paragraph lacks `context` or `qas`: check the format".to_owned());
        };
        fields.push((CONTEXT[0].to_owned(), context.clone()));
        fields.extend(members.rest("paragraph."));
        let questions = array(self.elements.bytes(), &questions, QUESTIONS)?;
        Ok(Paragraph { fields, context, questions })
    }

    /// The record of the question at `range`.
    fn record(&mut self, range: &Range<usize>) -> Result<Record, ReadError> {
        let key = self.next_key();
        self.count += 1;
        let malformed = |reason: String| ReadError::Malformed { key: key.clone(), reason };
        let (bytes, wanted) = (self.elements.bytes(), &mut self.wanted);
        let members = Members::read(bytes, range);
        let mut members = members.map_err(|reason| malformed(format!("a question {reason}")))?;
        let answers = members.take(&[ANSWERS]);
        let mut fields: Vec<Place> = Vec::new();
        for names in [ID, QUESTION, [IS_IMPOSSIBLE; 2]] {
            fields.extend(members.take(&names).map(|range| (names[0].to_owned(), range)));
        }
        let id = fields.iter().find(|(name, _)| name == ID[0]);
        let id = id.and_then(|(_, range)| std::str::from_utf8(&bytes[range.clone()]).ok());
        let malformed = |reason: String| malformed(reason + &describe_id(id));
        let is_impossible =
            |(name, range): &Place| name == IS_IMPOSSIBLE && &bytes[range.clone()] == b"true";
        let is_impossible = fields.iter().any(is_impossible);
        fields.extend(members.rest(""));
        let paragraph = self.paragraph.as_ref();
        fields.extend(paragraph.iter().flat_map(|paragraph| paragraph.fields.iter().cloned()));
        self.names = fields.iter().map(|(name, _)| name.clone()).collect();
        let (mut used, mut whole, mut text) = (BTreeMap::new(), Vec::new(), None);
        for (name, range) in &fields {
            let (name, raw) = (name.as_str(), &bytes[range.clone()]);
            let invalid_utf8 =
                |byte: usize| self.elements.invalid_utf8(key.clone(), range.start + byte, raw);
            let is_text = *name == *wanted.text;
            if is_text || wanted.uses(name) {
                match decode(raw) {
                    Ok(Some(Field::Text(found))) if is_text => text = Some(found),
                    Ok(_) if is_text => {
                        let (field, found) = (name.to_owned(), kind_of(raw).to_owned());
                        return Err(ReadError::NotText { key, field, found });
                    }
                    Ok(field) => used.extend(field.map(|field| (Arc::from(name), field))),
                    Err(StringError::InvalidUtf8(byte)) => return Err(invalid_utf8(byte)),
                    Err(StringError::LoneSurrogate(escape)) => {
                        return Err(malformed(json_text::explain_surrogate(name, &escape)));
                    }
                }
            } else if name != IS_IMPOSSIBLE {
                wanted.found_unused(name);
            }
            if wanted.keeps(name) {
                let value = std::str::from_utf8(raw);
                let value = value.map_err(|error| invalid_utf8(error.valid_up_to()))?;
                whole.push(match is_text {
                    true => RawField::text(Arc::from(name)),
                    false => RawField::new(name, value),
                });
            }
        }
        if let Some(range) = answers {
            let context = paragraph.map(|paragraph| &bytes[paragraph.context.clone()]);
            let answers = answers::read(bytes, &range, context.unwrap_or_default());
            let answers = answers.map_err(malformed)?;
            if is_impossible && answers.count > 0 {
                let reason =
                    "`is_impossible` is true, but the question has answers: remove one of them";
                return Err(malformed(reason.to_owned()));
            }
            wanted.ledger.add("read.answers_without_start", answers.without_start, Some(&key));
            answers.unused.iter().for_each(|name| wanted.list_unused(name));
            if wanted.keeps(ANSWERS) {
                whole.push(RawField::new(ANSWERS, &answers.json));
            } else if !wanted.uses(ANSWERS) {
                wanted.found_unused(ANSWERS);
            }
            self.names.push(ANSWERS.to_owned());
        }
        let Some(text) = text else {
            let field = wanted.text.to_string();
            let found = name_fields(self.names.iter().map(String::as_str));
            return Err(ReadError::MissingField { key, field, found });
        };
        wanted.put_text(&mut used, text);
        Ok(Record { number: key.record, fields: used, whole })
    }
}

/// The id of a question, which is written as `id`, for the end of an error; empty if it has none, or a long one.
pub(crate) fn describe_id(id: Option<&str>) -> String {
    const LONGEST: usize = 100;
    let id = id.filter(|id| id.len() <= LONGEST);
    id.map_or_else(String::new, |id| format!(" (the id of the question is {id})"))
}

impl Reader for Squad {
    fn next(&mut self) -> Option<Result<Record, ReadError>> {
        let question = self.question()?;
        Some(question.and_then(|range| self.record(&range)))
    }

    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn key(&self, file: &Arc<str>, number: u64) -> Key {
        Key::question(Arc::clone(file), number)
    }
}

/// The list that is written at `range`. `name` is its key.
fn array(bytes: &[u8], range: &Range<usize>, name: &str) -> Result<ArrayCursor, String> {
    let kind = || kind_of(&bytes[range.clone()]);
    ArrayCursor::new(bytes, range)
        .ok_or_else(|| format!("`{name}` is {}, not a list: check the format", kind()))
}

/// The value of a field that is used; `None` for a null, an array or an object.
fn decode(raw: &[u8]) -> Result<Option<Field>, StringError> {
    match raw.first() {
        Some(b'"') => Ok(Some(Field::Text(json_text::string(raw)?.into_owned()))),
        _ => Ok(json_text::scalar(raw)),
    }
}
