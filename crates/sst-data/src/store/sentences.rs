//! The files with the sentence ends of each document, which a store has if it is asked to keep them.
//!
//! `sentences.bin` holds, for each sentence of each document, the number of the document's tokens up to its end (u32).
//! `sentence_counts.bin` holds, for each document, the number of sentences up to its end (u64).

use std::collections::BTreeMap;
use std::path::Path;

use super::StoreError;
use super::file::StoreFile;
use super::format::{COUNT_BYTES, FileRecord, SENTENCE_BYTES, SENTENCE_COUNTS, SENTENCES};
use super::hashed::HashedFile;
use crate::example::Key;
use crate::sentence::split_sentences;
use crate::tokenize::Encoding;

/// The sentence ends of `text`, counted in tokens of its `encoding`: each is greater than the one before it, and the
/// last equals the number of tokens.
///
/// A token belongs to the sentence that contains its first byte. White space before a sentence belongs to that
/// sentence. A sentence without a token of its own has no end.
pub(super) fn token_ends(text: &str, encoding: &Encoding) -> Vec<u32> {
    let num_tokens = encoding.ids.len();
    let mut ends: Vec<u32> = Vec::new();
    for sentence in split_sentences(text) {
        let before = ends.last().copied().unwrap_or(0) as usize;
        let tokens = &encoding.offsets[before..];
        let count = tokens.iter().take_while(|(start, _)| *start < sentence.end).count();
        if count > 0 {
            ends.push((before + count) as u32);
        }
    }
    // White space after the last sentence may have tokens, too.
    match ends.last_mut() {
        Some(last) => *last = num_tokens as u32,
        None if num_tokens > 0 => ends.push(num_tokens as u32),
        None => {}
    }
    ends
}

/// Writes both files.
#[derive(Debug)]
pub(super) struct SentenceWriter {
    ends: HashedFile,
    counts: HashedFile,
    count: u64,
}

impl SentenceWriter {
    pub(super) fn create(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            ends: HashedFile::create(folder, SENTENCES)?,
            counts: HashedFile::create(folder, SENTENCE_COUNTS)?,
            count: 0,
        })
    }

    /// Adds the sentences of a document of `num_tokens` tokens.
    pub(super) fn push(
        &mut self,
        key: &Key,
        num_tokens: usize,
        ends: &[u32],
    ) -> Result<(), StoreError> {
        let grow = ends.first() != Some(&0) && ends.windows(2).all(|pair| pair[0] < pair[1]);
        if !grow || ends.last().map_or(0, |end| *end as usize) != num_tokens {
            return Err(StoreError::Sentences(key.clone()));
        }
        for end in ends {
            self.ends.write(&end.to_le_bytes())?;
        }
        self.count += ends.len() as u64;
        self.counts.write(&self.count.to_le_bytes())
    }

    /// The manifest entries of both files.
    pub(super) fn finish(self) -> Result<BTreeMap<String, FileRecord>, StoreError> {
        let files = [(SENTENCES, self.ends), (SENTENCE_COUNTS, self.counts)];
        files.into_iter().map(|(name, file)| Ok((name.to_owned(), file.finish()?))).collect()
    }
}

/// Both files, open for reading. Files above 64 MiB are not held in memory.
#[derive(Debug)]
pub(super) struct Sentences {
    ends: StoreFile,
    counts: StoreFile,
}

impl Sentences {
    /// Opens the files of `folder`, the folder of a store with `num_documents` documents, and compares them with the
    /// manifest entries `files`.
    pub(super) fn open(
        folder: &Path,
        in_memory: u64,
        num_documents: u64,
        files: &BTreeMap<String, FileRecord>,
    ) -> Result<Self, StoreError> {
        let load = |name: &str| StoreFile::load(&folder.join(name), in_memory);
        let sentences = Self { ends: load(SENTENCES)?, counts: load(SENTENCE_COUNTS)? };
        for (name, file) in [(SENTENCES, &sentences.ends), (SENTENCE_COUNTS, &sentences.counts)] {
            file.check_hash(files.get(name).map(|record| record.sha256.as_str()))?;
        }
        let (_, total) = match num_documents.checked_sub(1) {
            Some(last) => sentences.range(last)?,
            None => (0, 0),
        };
        let expected = [
            (&sentences.counts, num_documents.checked_mul(COUNT_BYTES as u64)),
            (&sentences.ends, total.checked_mul(SENTENCE_BYTES as u64)),
        ];
        for (file, size) in expected {
            let have = file.stamp().size;
            if Some(have) != size {
                let should = size.unwrap_or(0);
                return Err(file.damaged(format!("it has {have} bytes and should have {should}")));
            }
        }
        Ok(sentences)
    }

    /// Sets the new path after the folder was renamed.
    pub(super) fn moved_to(&mut self, folder: &Path) {
        self.ends.moved_to(folder);
        self.counts.moved_to(folder);
    }

    /// The index of the first sentence of `document`, and of the sentence after its last one.
    fn range(&self, document: u64) -> Result<(u64, u64), StoreError> {
        let count = |document: u64| -> Result<u64, StoreError> {
            let mut record = [0; COUNT_BYTES];
            self.counts.read_at(&mut record, document * COUNT_BYTES as u64)?;
            Ok(u64::from_le_bytes(record))
        };
        let first = document.checked_sub(1).map_or(Ok(0), count)?;
        Ok((first, count(document)?.max(first)))
    }

    /// The number of sentences of `document`.
    pub(super) fn count(&self, document: u64) -> Result<usize, StoreError> {
        self.range(document).map(|(first, end)| (end - first) as usize)
    }

    /// The ends of at most `count` sentences of `document`, starting with sentence `first`.
    pub(super) fn ends(
        &self,
        document: u64,
        first: usize,
        count: usize,
    ) -> Result<Vec<u32>, StoreError> {
        let (begin, end) = self.range(document)?;
        let begin = begin.saturating_add(first as u64).min(end);
        let count = (end - begin).min(count as u64) as usize;
        let mut bytes = vec![0; count * SENTENCE_BYTES];
        self.ends.read_at(&mut bytes, begin * SENTENCE_BYTES as u64)?;
        let (words, _) = bytes.as_chunks::<SENTENCE_BYTES>();
        Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of `pieces` is one token, and together they are the text.
    fn check(pieces: &[&str], expected: &[u32]) {
        let text = pieces.concat();
        let mut encoding = Encoding::default();
        let mut at = 0;
        for (id, piece) in (0..).zip(pieces) {
            encoding.ids.push(id);
            encoding.offsets.push((at, at + piece.len()));
            at += piece.len();
        }
        assert_eq!(token_ends(&text, &encoding), expected, "{pieces:?}");
    }

    #[test]
    fn tokens_belong_to_the_sentence_that_they_begin_in() {
        check(&["It", " rained", ".", " He", " left", "."], &[3, 6]);
        check(&["下雨", "了", "。", "他", "走了", "。", "\n"], &[3, 7]);
        // The second sentence has no token of its own, because its first byte is within the token before it.
        check(&["走", "。好。", "完。"], &[2, 3]);
        check(&["no end"], &[1]);
        check(&[], &[]);
    }
}
