//! Access to the sentences of documents, for stores that keep sentence ends.

use super::StoreError;
use super::format::SENTENCES;
use super::reader::Store;
use super::sentences::Sentences;

impl Store {
    /// The error if the sentence ends changed after the store was opened.
    pub(crate) fn sentences_changed(&self) -> StoreError {
        StoreError::damaged(&self.folder.join(SENTENCES), "it was changed while it was in use")
    }

    /// Whether the store keeps sentence ends.
    pub fn has_sentences(&self) -> bool {
        self.sentences.is_some()
    }

    /// The number of sentences of `document`; 0 if there is no such document.
    ///
    /// # Errors
    /// If the store keeps no sentence ends, or they cannot be read.
    pub fn num_sentences(&self, document: u64) -> Result<usize, StoreError> {
        let sentences = self.sentences()?;
        if document < self.num_documents() { sentences.count(document) } else { Ok(0) }
    }

    /// For at most `count` sentences of `document`, starting with sentence `first` (from 0): the number of the
    /// document's tokens up to the end of each sentence. The result is empty if there is no such document or sentence.
    ///
    /// # Errors
    /// If the store keeps no sentence ends, or they cannot be read.
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
