//! Which sentences of a document make a row of two segments.

use crate::store::{Store, StoreError};

/// So many sentence ends are read at a time.
const SENTENCES_AT_ONCE: usize = 256;

/// A stretch of neighbouring sentences of one document, of which a pair of segments is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Its first sentence, from 0.
    pub(super) first: usize,
    /// The document's tokens before it.
    pub(super) begin: u32,
    /// The document's tokens up to the end of each of its sentences, of which there are at least two.
    pub(super) ends: Vec<u32>,
}

impl Stretch {
    /// The tokens of all its sentences.
    pub(super) fn num_tokens(&self) -> usize {
        (self.ends[self.ends.len() - 1] - self.begin) as usize
    }
}

/// The stretches of a document one after the other. Each takes as many sentences as fit `capacity` tokens, and two even if
/// these do not fit. A single sentence that is left at the end makes a stretch with the sentence before it, so that nothing
/// is left out. A document of one sentence has no stretch.
pub(super) struct Stretches<'a> {
    store: &'a Store,
    document: u64,
    num_sentences: usize,
    capacity: usize,
    /// The first sentence of the next stretch.
    next: usize,
    /// The ends of the sentences from `read` on.
    ends: Vec<u32>,
    read: usize,
}

impl<'a> Stretches<'a> {
    /// The stretches of `document` from the one that begins with sentence `first` on.
    pub(super) fn from(
        store: &'a Store,
        document: u64,
        first: usize,
        capacity: usize,
    ) -> Result<Self, StoreError> {
        let num_sentences = store.num_sentences(document)?;
        let (ends, read) = (Vec::new(), 0);
        Ok(Self { store, document, num_sentences, capacity, next: first, ends, read })
    }

    /// The document's tokens up to the end of sentence `sentence`.
    fn end(&mut self, sentence: usize) -> Result<u32, StoreError> {
        if sentence < self.read || sentence >= self.read + self.ends.len() {
            self.ends = self.store.sentence_ends(self.document, sentence, SENTENCES_AT_ONCE)?;
            self.read = sentence;
        }
        // The number of sentences was asked for, so there is one unless the file was cut off meanwhile.
        let end = self.ends.get(sentence - self.read).copied();
        end.ok_or_else(|| self.store.sentences_changed())
    }

    fn advance(&mut self) -> Result<Option<Stretch>, StoreError> {
        if self.num_sentences < 2 || self.next >= self.num_sentences {
            return Ok(None);
        }
        let first = self.next.min(self.num_sentences - 2);
        let begin = if first == 0 { 0 } else { self.end(first - 1)? };
        let mut ends = vec![self.end(first)?, self.end(first + 1)?];
        for sentence in first + 2..self.num_sentences {
            let end = self.end(sentence)?;
            if (end - begin) as usize > self.capacity {
                break;
            }
            ends.push(end);
        }
        self.next = first + ends.len();
        Ok(Some(Stretch { first, begin, ends }))
    }
}

impl Iterator for Stretches<'_> {
    type Item = Result<Stretch, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
