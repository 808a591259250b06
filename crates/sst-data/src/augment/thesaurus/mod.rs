//! Loads synonyms from the files of several thesauri.
//!
//! English synonyms come from MyThes (`th_en_US_v2.dat`, made from WordNet) or from WordNet itself (Fellbaum 1998),
//! Chinese ones from Cilin (梅家驹 and others 1983, 《同义词词林》; the extended edition of HIT). Broader terms, antonyms and
//! related words in such files are not synonyms and are left out. Phrases are left out, too, because they seldom fit a
//! sentence.

mod cilin;
mod mythes;
mod wordnet;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::read::require_readable;

/// Why a thesaurus could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ThesaurusError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The format of a file is unknown.
    #[error(
        "{path} is no thesaurus that sst knows: it reads mythes' .dat files (an encoding, then \
         `word|meanings`), Cilin as text (`Aa01A01= 人 士`) or cilin_tree.json, and folders of WordNet"
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// The encoding of a file is not supported.
    #[error(
        "{path} is in the encoding {encoding}: convert it to UTF-8 and say so in its first line"
    )]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The encoding that its first line states.
        encoding: String,
    },
    /// A line or value does not follow the format of the file.
    #[error("{path}:{line}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The problem.
        reason: String,
    },
    /// A file contains no synonym.
    #[error("{path} contains no synonym: check that it is complete")]
    Empty {
        /// The file or folder.
        path: PathBuf,
    },
}

/// Synonyms by word.
#[derive(Debug, Clone, Default)]
pub struct Thesaurus {
    /// The words of each meaning.
    groups: Vec<Box<[Box<str>]>>,
    /// The meanings of each word as indices into `groups`, in the order of the file. English words are in lower case.
    senses: HashMap<Box<str>, Vec<u32>>,
}

impl Thesaurus {
    /// Reads files and folders, each in its own format, into one thesaurus.
    ///
    /// # Errors
    /// If a file cannot be read, has an unknown format, is damaged, or is empty.
    pub fn load(paths: &[PathBuf]) -> Result<Self, ThesaurusError> {
        let mut thesaurus = Self::default();
        for path in paths {
            let before = thesaurus.groups.len();
            thesaurus.read(path)?;
            if thesaurus.groups[before..].iter().all(|group| group.is_empty()) {
                return Err(ThesaurusError::Empty { path: path.clone() });
            }
        }
        Ok(thesaurus)
    }

    /// The number of words.
    pub fn len(&self) -> usize {
        self.senses.len()
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.senses.is_empty()
    }

    /// The synonyms of `word` (English words in lower case) in its first `senses` meanings, without duplicates. The
    /// result is empty if these meanings have no synonyms. Names, which are capitalised, are left out.
    pub fn synonyms(&self, word: &str, senses: usize) -> Vec<&str> {
        let mut synonyms: Vec<&str> = Vec::new();
        for other in self.meanings(word).take(senses).flatten().map(|other| &**other) {
            let usable = other != word && !other.contains(char::is_uppercase);
            if usable && !synonyms.contains(&other) {
                synonyms.push(other);
            }
        }
        synonyms
    }

    /// Whether a meaning of `word` is that of a name, which is written with a capital.
    pub fn knows_as_name(&self, word: &str) -> bool {
        self.meanings(word).flatten().any(|other| other.starts_with(char::is_uppercase))
    }

    fn meanings(&self, word: &str) -> impl Iterator<Item = &[Box<str>]> {
        let senses = self.senses.get(word).into_iter().flatten();
        senses.filter_map(|sense| self.groups.get(*sense as usize)).map(|group| &**group)
    }

    fn read(&mut self, path: &Path) -> Result<(), ThesaurusError> {
        let io = |source| ThesaurusError::Io { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(io)?.is_dir() {
            return wordnet::read(path, self);
        }
        require_readable(path).map_err(io)?;
        let bytes = std::fs::read(path).map_err(io)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => cilin::read_tree(path, bytes, self),
            Some(_) if mythes::is_one(bytes) => mythes::read(path, bytes, self),
            Some(_) if cilin::is_one(bytes) => cilin::read_text(path, bytes, self),
            Some(_) => Err(ThesaurusError::Unknown { path: path.to_owned() }),
            None => Err(ThesaurusError::Empty { path: path.to_owned() }),
        }
    }

    /// Adds a meaning without its phrases, and returns its index.
    fn add_group<'a>(&mut self, words: impl Iterator<Item = &'a str>) -> u32 {
        let words = words.filter(|word| is_one_word(word)).map(Box::from).collect();
        self.groups.push(words);
        // No language has so many meanings. A larger index finds no group.
        u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
    }

    /// Adds the meaning `group` to the word `head`.
    fn add_sense(&mut self, head: &str, group: u32) {
        if is_one_word(head) {
            self.senses.entry(Box::from(head)).or_default().push(group);
        }
    }
}

/// Whether `word` is a single word and not a phrase.
fn is_one_word(word: &str) -> bool {
    !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c == '_')
}

/// The lines of `bytes` as text. The error holds the number of a line that is not UTF-8.
fn lines<'a>(
    path: &'a Path,
    bytes: &'a [u8],
) -> impl Iterator<Item = Result<(usize, &'a str), ThesaurusError>> {
    bytes.split(|byte| *byte == b'\n').enumerate().map(move |(index, line)| {
        let text = std::str::from_utf8(line).map_err(|_| ThesaurusError::Malformed {
            path: path.to_owned(),
            line: index + 1,
            reason: "is not UTF-8: convert the file, e.g. with `iconv -f GB18030 -t UTF-8`"
                .to_owned(),
        });
        text.map(|text| (index + 1, text.trim_end_matches('\r')))
    })
}
