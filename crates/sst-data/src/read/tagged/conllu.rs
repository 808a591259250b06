//! Splits files of CoNLL-U, the format of Universal Dependencies (<https://universaldependencies.org/format.html>),
//! into sentences.

use std::sync::Arc;

use super::super::ReadError;
use super::super::lines::LineReader;
use super::scheme::TagScheme;
use super::sentence::{Building, Sentence, Sentences, Word};
use crate::ledger::Ledger;

/// The number of columns.
const COLUMNS: usize = 10;
/// The columns that are never used, and what else a sentence has.
const UNUSED: [&str; 6] = ["LEMMA", "FEATS", "HEAD", "DEPREL", "DEPS", "comments"];
const FORM: usize = 1;
const UPOS: usize = 3;
const XPOS: usize = 4;
const MISC: usize = 9;
/// What stands where there is no value.
const NOTHING: &str = "_";

/// Where the tags are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TagColumn {
    /// The universal part of speech.
    Upos,
    /// The part of speech of the language.
    Xpos,
    /// The value of a key in MISC.
    Misc(String),
}

impl TagColumn {
    /// `UPOS`, which is the default, `XPOS`, or the name of a key in MISC.
    pub(super) fn new(field: Option<&str>) -> Self {
        match field {
            None => Self::Upos,
            Some(field) if field.eq_ignore_ascii_case("upos") => Self::Upos,
            Some(field) if field.eq_ignore_ascii_case("xpos") => Self::Xpos,
            Some(key) => Self::Misc(key.to_owned()),
        }
    }

    /// The scheme of tags that are parts of speech; `None` if it is to be found.
    pub(super) fn scheme(&self) -> Option<TagScheme> {
        match self {
            Self::Upos | Self::Xpos => Some(TagScheme::Words),
            Self::Misc(_) => None,
        }
    }

    /// The names of what is not used.
    pub(super) fn unused(&self) -> impl Iterator<Item = &'static str> {
        let upos = (*self != Self::Upos).then_some("UPOS");
        let xpos = (*self != Self::Xpos).then_some("XPOS");
        UNUSED.into_iter().chain(upos).chain(xpos)
    }

    fn tag<'a>(&self, columns: &[&'a str; COLUMNS]) -> &'a str {
        match self {
            Self::Upos => columns[UPOS],
            Self::Xpos => columns[XPOS],
            Self::Misc(key) => misc(columns[MISC], key).unwrap_or(NOTHING),
        }
    }
}

/// The value of `key` in a column MISC.
fn misc<'a>(column: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = column.split('|').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

/// The first column of a line.
enum Id {
    Word(usize),
    /// A token that several words are written as, from one word to another.
    Range(usize, usize),
    /// A word that is not in the text.
    Empty,
}

impl Id {
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse::<usize>().ok()).flatten()
        };
        if let Some((from, to)) = text.split_once('-') {
            return Some(Self::Range(number(from)?, number(to)?));
        }
        if let Some((after, count)) = text.split_once('.') {
            return number(after).and(number(count)).map(|_| Self::Empty);
        }
        number(text).map(Self::Word)
    }
}

/// A reader of sentences. The words are the syntactic ones. A token of several words (`3-4`) is counted as
/// `read.multiword_tokens`, and its words are used; a word that is not in the text (`5.1`) is left out and counted as
/// `read.empty_nodes`.
pub(super) struct Conllu {
    lines: LineReader,
    name: Arc<str>,
    column: TagColumn,
    /// Whether a word with a tag was found.
    has_tags: bool,
    /// Whether a sentence was found, and whether the end was reached.
    has_words: bool,
    is_done: bool,
    ledger: Ledger,
}

impl Conllu {
    pub(super) fn new(
        lines: LineReader,
        name: Arc<str>,
        column: TagColumn,
        ledger: &Ledger,
    ) -> Self {
        let (has_tags, has_words, is_done) = (false, false, false);
        Self { lines, name, column, has_tags, has_words, is_done, ledger: ledger.clone() }
    }

    /// The word of line `number`, which was read last; `None` if it has none. `before` is the number of words before it
    /// in its sentence, and `token` the last token of several words, with whether a space follows it.
    fn word(
        &mut self,
        number: u64,
        before: usize,
        token: &mut Option<(usize, bool)>,
    ) -> Result<Option<Word>, ReadError> {
        let key = || self.lines.key_at(number);
        let malformed = |reason: String| ReadError::Malformed { key: key(), reason };
        let columns: Vec<&str> = self.lines.text()?.split('\t').take(COLUMNS + 1).collect();
        let Ok(columns) = <[&str; COLUMNS]>::try_from(columns.as_slice()) else {
            let count = self.lines.bytes().split(|byte| *byte == b'\t').count();
            return Err(malformed(format!(
                "{count} columns where CoNLL-U has {COLUMNS}, separated by tabs: check the format"
            )));
        };
        let is_joined = misc(columns[MISC], "SpaceAfter") == Some("No");
        let next = before + 1;
        match Id::parse(columns[0]) {
            Some(Id::Word(id)) if id == next => {}
            Some(Id::Range(from, to)) if from == next && to >= from => {
                *token = Some((to, is_joined));
                self.ledger.add("read.multiword_tokens", 1, Some(&key()));
                return Ok(None);
            }
            Some(Id::Empty) => {
                self.ledger.add("read.empty_nodes", 1, Some(&key()));
                return Ok(None);
            }
            _ => {
                return Err(malformed(format!(
                    "the number of a word is `{}`, where {next} is expected: put it right",
                    columns[0]
                )));
            }
        }
        let (form, tag) = (columns[FORM], self.column.tag(&columns));
        if form.is_empty() || tag.is_empty() {
            let what = if form.is_empty() { "word" } else { "tag" };
            return Err(malformed(format!(
                "the line has no {what}: write `_` where there is none"
            )));
        }
        self.has_tags |= tag != NOTHING;
        let is_joined = match *token {
            Some((last, is_joined)) if next <= last => next == last && is_joined,
            _ => is_joined,
        };
        let (form, tag) = (form.to_owned(), tag.to_owned());
        Ok(Some(Word { line: number, form, tag, is_joined }))
    }

    /// The error at the end of a file in which no word has a tag.
    fn no_tags(&self) -> Option<ReadError> {
        let TagColumn::Misc(key) = &self.column else { return None };
        let reason = format!(
            "no word has the key `{key}` in MISC, which is to hold the tags: name another key, UPOS or XPOS"
        );
        let path = self.name.to_string();
        (self.has_words && !self.has_tags).then_some(ReadError::BadTagField { path, reason })
    }
}

impl Sentences for Conllu {
    fn next(&mut self) -> Option<Result<Sentence, ReadError>> {
        let (mut sentence, mut token) = (Building::default(), None);
        while let Some(read) = self.lines.advance() {
            let number = match read {
                Ok(number) => number,
                Err(error) => return Some(Err(error)),
            };
            match self.lines.bytes() {
                line if line.trim_ascii().is_empty() => match sentence.is_empty() {
                    true => continue,
                    false => break,
                },
                [b'#', ..] => continue,
                _ => {}
            }
            let word = self.word(number, sentence.num_words(), &mut token).transpose();
            let added = word.map(|word| sentence.add(word, |line| self.lines.key_at(line)));
            if let Some(Err(error)) = added {
                return Some(Err(error));
            }
        }
        let sentence = sentence.finish();
        self.has_words |= matches!(sentence, Some(Ok(_)));
        if sentence.is_none() && !std::mem::replace(&mut self.is_done, true) {
            return self.no_tags().map(Err);
        }
        sentence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_misc_and_numbers_of_words_are_parsed() {
        assert_eq!(misc("SpaceAfter=No|NER=B-PER", "NER"), Some("B-PER"));
        assert_eq!(misc("NER=B-PER| Gloss=a=b ", "Gloss"), Some("a=b"));
        assert_eq!((misc("_", "NER"), misc("NERD=x", "NER")), (None, None));
        assert!(matches!(Id::parse("12"), Some(Id::Word(12))));
        assert!(matches!(Id::parse("3-4"), Some(Id::Range(3, 4))));
        assert!(matches!(Id::parse("5.1"), Some(Id::Empty)));
        for bad in ["", "a", "-1", "+1", "1-", "1.", "1.x", "99999999999999999999999"] {
            assert!(Id::parse(bad).is_none(), "{bad}");
        }
    }
}
