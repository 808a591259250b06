//! The sentences of the documents of a store that keeps their ends.

use super::StoreError;
use super::format::SENTENCES;
use super::reader::Store;
use super::sentences::Sentences;

impl Store {
    /// The error for sentences that are no longer those that were there when the store was opened.
    pub(crate) fn sentences_changed(&self) -> StoreError {
        StoreError::damaged(&self.folder.join(SENTENCES), "it was changed while it was in use")
    }

    /// Whether it keeps the ends of sentences.
    pub fn has_sentences(&self) -> bool {
        self.sentences.is_some()
    }

    /// The number of sentences of `document`; 0 if there is no such document.
    ///
    /// # Errors
    /// If the store keeps no sentences, or they cannot be read.
    pub fn num_sentences(&self, document: u64) -> Result<usize, StoreError> {
        let sentences = self.sentences()?;
        if document < self.num_documents() { sentences.count(document) } else { Ok(0) }
    }

    /// For at most `count` sentences of `document` from sentence `first` (from 0) on, the number of the document's tokens
    /// up to the end of each; none if there is no such document or sentence.
    ///
    /// # Errors
    /// If the store keeps no sentences, or they cannot be read.
    pub fn sentence_ends(
        &self,
        document: u64,
        first: usize,
        count: usize,
    ) -> Result<Vec<u32>, StoreError> {
        let sentences = self.sentences()?;
        if document >= self.num_documents() {
            return Ok(Vec::new());
        }
        sentences.ends(document, first, count)
    }

    fn sentences(&self) -> Result<&Sentences, StoreError> {
        let none = || StoreError::NoSentences { path: self.folder.clone() };
        self.sentences.as_ref().ok_or_else(none)
    }
}
