//! A sentence of words with tags.

use super::super::ReadError;
use super::super::limits::MAX_RECORD_BYTES;
use crate::example::Key;

/// A word, and the line that it stands on.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) line: u64,
    pub(super) form: String,
    pub(super) tag: String,
    /// Whether the file says that no space follows.
    pub(super) is_joined: bool,
}

/// A sentence, which has at least one word.
#[derive(Debug, Default)]
pub(super) struct Sentence {
    pub(super) words: Vec<Word>,
    /// The number of bytes of its words and tags.
    pub(super) bytes: u64,
}

/// Splits a file into sentences.
pub(super) trait Sentences: Send {
    /// The next sentence; `None` at the end.
    fn next(&mut self) -> Option<Result<Sentence, ReadError>>;
}

/// A sentence that is being read.
#[derive(Debug, Default)]
pub(super) struct Building {
    sentence: Sentence,
    /// The error of the first line that cannot be read. The sentence is then left out as a whole.
    bad: Option<ReadError>,
}

impl Building {
    /// Whether neither a word nor a bad line has been read.
    pub(super) fn is_empty(&self) -> bool {
        self.sentence.words.is_empty() && self.bad.is_none()
    }

    /// The number of words so far.
    pub(super) fn num_words(&self) -> usize {
        self.sentence.words.len()
    }

    /// Adds the word of a line of the file called `name`. An error that concerns more than one sentence is returned.
    pub(super) fn add(
        &mut self,
        word: Result<Word, ReadError>,
        key: impl Fn(u64) -> Key,
    ) -> Result<(), ReadError> {
        match word {
            Ok(word) => {
                let sentence = &mut self.sentence;
                // A word that is empty in a long file takes memory, too.
                sentence.bytes += (word.form.len() + word.tag.len() + 1) as u64;
                sentence.words.push(word);
                if sentence.bytes > MAX_RECORD_BYTES {
                    let key = key(sentence.words[0].line);
                    return Err(ReadError::TooLong { key, limit: MAX_RECORD_BYTES });
                }
                Ok(())
            }
            Err(error) if error.is_one_record() => {
                self.bad.get_or_insert(error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The sentence, or the error of its first bad line; `None` if nothing has been read.
    pub(super) fn finish(self) -> Option<Result<Sentence, ReadError>> {
        match self.bad {
            Some(error) => Some(Err(error)),
            None if self.sentence.words.is_empty() => None,
            None => Some(Ok(self.sentence)),
        }
    }
}
