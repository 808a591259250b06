//! Splits files of columns into sentences: a word and its tags on each line, a blank line after each sentence, as in
//! the shared tasks of CoNLL (Tjong Kim Sang and De Meulder 2003).

use std::sync::Arc;

use super::super::ReadError;
use super::super::limits::MAX_FIELDS;
use super::super::lines::LineReader;
use super::sentence::{Building, Sentence, Sentences, Word};
use crate::ledger::Ledger;
use crate::unused::{Unused, UnusedKind};

/// The word of a line between two documents.
const DOCSTART: &str = "-DOCSTART-";
/// The most columns that are listed as unused one by one.
const MAX_LISTED: usize = 64;

/// The columns of a file. All lines have the same number of them.
#[derive(Debug)]
struct Columns {
    count: usize,
    /// The index of the column of tags.
    tag: usize,
    /// Whether tabs alone separate them, so that a word may contain a space.
    are_tabs: bool,
    /// The line that they were found from.
    line: u64,
}

/// A reader of sentences. The word is in the first column.
pub(super) struct Conll {
    lines: LineReader,
    name: Arc<str>,
    /// The index of the column of tags; `None` for the last one.
    tag: Option<usize>,
    columns: Option<Columns>,
    ledger: Ledger,
}

impl Conll {
    /// Reads `lines`. `tag` is the number of the column of tags, from 1.
    pub(super) fn new(
        lines: LineReader,
        name: Arc<str>,
        tag: Option<&str>,
        ledger: &Ledger,
    ) -> Result<Self, ReadError> {
        let number = tag.map(|tag| tag.parse::<usize>().ok().filter(|number| *number > 1));
        let tag = match (number, tag) {
            (Some(None), Some(written)) => {
                return Err(bad_field(
                    &name,
                    format!(
                        "the column of tags is `{written}`: give its number, where the word has number 1, or leave it out \
                     for the last column"
                    ),
                ));
            }
            (number, _) => number.flatten().map(|number| number - 1),
        };
        Ok(Self { lines, name, tag, columns: None, ledger: ledger.clone() })
    }

    /// Finds the columns from the first line with a word, and lists those that are not used.
    fn columns(&self, line: &str, number: u64) -> Result<Columns, ReadError> {
        let are_tabs = line.contains('\t');
        let count = split(line, are_tabs).count();
        if !(2..=MAX_FIELDS).contains(&count) {
            let reason =
                format!("{count} columns where a word and its tag are needed: check the format");
            return Err(ReadError::Malformed { key: self.lines.key_at(number), reason });
        }
        let tag = self.tag.unwrap_or(count - 1);
        if tag >= count {
            let wanted = tag + 1;
            let reason = format!(
                "the column of tags is number {wanted}, but line {number} has {count} columns: choose another one"
            );
            return Err(bad_field(&self.name, reason));
        }
        let mut unused = Unused::new();
        for column in (1..count).filter(|column| *column != tag).take(MAX_LISTED) {
            unused.add(UnusedKind::Column, format!("column {}", column + 1));
        }
        if count > MAX_LISTED + 2 {
            unused.add(UnusedKind::Column, "and others");
        }
        self.ledger.add_unused(&unused);
        Ok(Columns { count, tag, are_tabs, line: number })
    }

    /// The word of line `number`, which was read last.
    fn word(&mut self, number: u64) -> Result<Word, ReadError> {
        let line = trim_end(self.lines.text()?);
        let columns = match self.columns.take() {
            Some(columns) => columns,
            None => self.columns(line, number)?,
        };
        let columns = self.columns.insert(columns);
        let malformed =
            |reason: String| ReadError::Malformed { key: self.lines.key_at(number), reason };
        let count = split(line, columns.are_tabs).count();
        if count != columns.count {
            let (first, expected) = (columns.line, columns.count);
            return Err(malformed(format!(
                "{count} columns where line {first} has {expected}: separate the columns of every line alike, and \
                 sentences by blank lines"
            )));
        }
        let column = |at: usize| split(line, columns.are_tabs).nth(at).unwrap_or_default();
        let (form, tag) = (column(0), column(columns.tag).trim());
        if form.is_empty() || tag.is_empty() {
            let what = if form.is_empty() { "word" } else { "tag" };
            return Err(malformed(format!(
                "the line has no {what}: fill it in, or remove the line"
            )));
        }
        let (form, tag) = (form.to_owned(), tag.to_owned());
        Ok(Word { line: number, form, tag, is_joined: false })
    }
}

impl Sentences for Conll {
    fn next(&mut self) -> Option<Result<Sentence, ReadError>> {
        let mut sentence = Building::default();
        while let Some(read) = self.lines.advance() {
            let number = match read {
                Ok(number) => number,
                Err(error) => return Some(Err(error)),
            };
            let line = self.lines.bytes();
            let is_start = is_docstart(line);
            if is_start || line.iter().all(|byte| is_blank(*byte)) {
                self.ledger.add(
                    "read.docstart_lines",
                    u64::from(is_start),
                    Some(&self.lines.key_at(number)),
                );
                if sentence.is_empty() {
                    continue;
                }
                break;
            }
            let word = self.word(number);
            if let Err(error) = sentence.add(word, |line| self.lines.key_at(line)) {
                return Some(Err(error));
            }
        }
        sentence.finish()
    }
}

fn bad_field(name: &Arc<str>, reason: String) -> ReadError {
    ReadError::BadTagField { path: name.to_string(), reason }
}

/// A space or a tab. Other white space, such as the ideographic space, may be a word of Chinese data.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_docstart(line: &[u8]) -> bool {
    let rest = line.strip_prefix(DOCSTART.as_bytes());
    rest.is_some_and(|rest| rest.first().is_none_or(|byte| is_blank(*byte)))
}

fn trim_end(line: &str) -> &str {
    line.trim_end_matches([' ', '\t'])
}

/// The columns of a line.
fn split(line: &str, are_tabs: bool) -> impl Iterator<Item = &str> {
    let is_separator = move |c: char| c == '\t' || (c == ' ' && !are_tabs);
    line.split(is_separator).filter(move |column| are_tabs || !column.is_empty())
}
