//! Chooses the sentences of a document that make a row of two segments.

use crate::store::{Store, StoreError};

/// The number of sentence ends that are read at a time.
const SENTENCES_AT_ONCE: usize = 256;

/// Consecutive sentences of one document, of which a pair of segments is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    /// The first sentence, from 0.
    pub(super) first: usize,
    /// The number of the document's tokens before the first sentence.
    pub(super) begin: u32,
    /// The number of the document's tokens up to the end of each sentence. There are at least two sentences.
    pub(super) ends: Vec<u32>,
}

impl Stretch {
    /// The number of tokens of all sentences.
    pub(super) fn num_tokens(&self) -> usize {
        (self.ends[self.ends.len() - 1] - self.begin) as usize
    }
}

/// The stretches of a document in order. Each takes as many sentences as fit in `capacity` tokens, and two even if
/// these do not fit. If a single sentence is left at the end, it forms a stretch together with the sentence before it,
/// so that no sentence is left out. A document of one sentence has no stretch.
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
    /// The stretches of `document`, starting with the one that begins at sentence `first`.
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

    /// The number of the document's tokens up to the end of sentence `sentence`.
    fn end(&mut self, sentence: usize) -> Result<u32, StoreError> {
        if sentence < self.read || sentence >= self.read + self.ends.len() {
            self.ends = self.store.sentence_ends(self.document, sentence, SENTENCES_AT_ONCE)?;
            self.read = sentence;
        }
        // The sentence exists, because the number of sentences is known, unless the file was cut off meanwhile.
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
