//! Reads a store.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::StoreError;
use super::file::StoreFile;
use super::format::{
    END_BYTES, ENDS, KEY_BYTES, KEYS, MANIFEST, Manifest, SCORE_BYTES, SCORES, SENTENCES, Sealed,
    TOKENS, hash_of_contents, token_bits,
};
use super::keys::read_key;
use super::sentences::Sentences;
use super::verified::{VERIFIED, is_verified, set_verified};
use crate::example::Key;
use crate::ledger::Entry;

/// The number of bytes of tokens that are read at once.
const PIECE: usize = 4096;

/// Token files up to this size are hashed each time they are opened, which takes about 0.2 s. Larger files are hashed the
/// first time, and again after they were written to.
pub(super) const HASH_ON_OPEN: u64 = 256 << 20;

/// Files up to this size are held in memory, because the system call alone of a read takes some microseconds.
const IN_MEMORY: u64 = 64 << 20;

/// A prepared store, open for reading. Documents are numbered from 0.
#[derive(Debug)]
pub struct Store {
    pub(super) folder: PathBuf,
    manifest: Manifest,
    sources: Vec<Arc<str>>,
    tokens: StoreFile,
    ends: StoreFile,
    keys: StoreFile,
    scores: Option<StoreFile>,
    pub(super) sentences: Option<Sentences>,
    /// The content of `ends.bin`, which is read when the first document is asked for.
    index: OnceLock<Vec<u64>>,
}

impl Store {
    /// Opens the store in `folder`.
    ///
    /// # Errors
    /// If it is not there, was made by another version, or its files are not what the manifest
    /// says: a missing, truncated or altered file, or an altered manifest.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_with(folder, HASH_ON_OPEN, IN_MEMORY)
    }

    /// Opens the store. A token file of more than `limit` bytes is only hashed if that was not done before, and files
    /// of at most `in_memory` bytes are held in memory.
    fn open_with(folder: &Path, limit: u64, in_memory: u64) -> Result<Self, StoreError> {
        let load = |name: &str| StoreFile::load(&folder.join(name), in_memory);
        let path = folder.join(MANIFEST);
        let json = std::fs::read(&path).map_err(StoreError::io("read", &path))?;
        let manifest =
            Manifest::read(&json).map_err(|reason| StoreError::damaged(&path, reason))?;
        // The manifest says whether there are scores, so that a missing file is noticed.
        let scores = manifest.files.contains_key(SCORES);
        let scores = scores.then(|| load(SCORES)).transpose()?;
        let sentences = manifest
            .files
            .contains_key(SENTENCES)
            .then(|| Sentences::open(folder, in_memory, manifest.num_documents, &manifest.files));
        let store = Self {
            folder: folder.to_path_buf(),
            sources: manifest.sources.iter().map(|s| Arc::from(s.as_str())).collect(),
            tokens: load(TOKENS)?,
            ends: StoreFile::open(&folder.join(ENDS))?,
            keys: load(KEYS)?,
            scores,
            sentences: sentences.transpose()?,
            manifest,
            index: OnceLock::new(),
        };
        store.check_sizes()?;
        store.ends.check_hash(store.hash_of(ENDS))?;
        store.keys.check_hash(store.hash_of(KEYS))?;
        if let Some(scores) = &store.scores {
            scores.check_hash(store.hash_of(SCORES))?;
        }
        let (stamp, hash) = (store.tokens.stamp(), store.hash_of(TOKENS).unwrap_or_default());
        if stamp.size <= limit {
            store.verify()?;
        } else if !is_verified(folder, VERIFIED, stamp, hash) {
            store.verify()?;
            set_verified(folder, VERIFIED, stamp, hash);
        }
        Ok(store)
    }

    /// Compares the token file with its hash.
    ///
    /// # Errors
    /// If a bit of it is not as it was written.
    pub fn verify(&self) -> Result<(), StoreError> {
        self.tokens.check_hash(self.hash_of(TOKENS))
    }

    /// Takes a new path, after the folder was renamed.
    pub(super) fn moved_to(&mut self, folder: &Path) {
        folder.clone_into(&mut self.folder);
        let files = [&mut self.tokens, &mut self.ends, &mut self.keys];
        files.into_iter().chain(&mut self.scores).for_each(|file| file.moved_to(folder));
        if let Some(sentences) = &mut self.sentences {
            sentences.moved_to(folder);
        }
    }

    fn hash_of(&self, name: &str) -> Option<&str> {
        self.manifest.files.get(name).map(|record| record.sha256.as_str())
    }

    /// The number of documents.
    pub fn num_documents(&self) -> u64 {
        self.manifest.num_documents
    }

    /// The number of tokens of all documents.
    pub fn num_tokens(&self) -> u64 {
        self.manifest.num_tokens
    }

    /// Every token id is below this.
    pub fn vocab_size(&self) -> usize {
        self.manifest.vocab_size as usize
    }

    /// The hash of what it was made from.
    pub fn fingerprint(&self) -> &str {
        &self.manifest.fingerprint
    }

    /// The hash of the prepared tokens. Unlike [`Store::fingerprint`], it does not depend on the places of files.
    pub fn contents(&self) -> String {
        hash_of_contents(&self.manifest.files, "")
    }

    /// What reading, cleaning and tokenising counted when it was made.
    pub fn ledger(&self) -> &BTreeMap<String, Entry> {
        &self.manifest.ledger
    }

    /// The tokens of `document`; none if there is no such document.
    ///
    /// # Errors
    /// If they cannot be read, or a file of the store was changed since it was opened.
    pub fn tokens(&self, document: u64) -> Result<Vec<u32>, StoreError> {
        let mut ids = Vec::new();
        self.check_unchanged()?;
        self.append_to(&mut ids, document, 0, usize::MAX)?;
        Ok(ids)
    }

    /// Appends to `ids` the `count` tokens of `document` from token `first` on, or as many of them as there are.
    /// Does not look whether the file was changed, for which there is [`Store::check_unchanged`].
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn append_to(
        &self,
        ids: &mut Vec<u32>,
        document: u64,
        first: usize,
        count: usize,
    ) -> Result<(), StoreError> {
        let (begin, end) = bounds(self.index()?, document);
        let begin = begin.saturating_add(first as u64).min(end);
        let count = (end - begin).min(count as u64) as usize;
        let width = self.width();
        ids.reserve(count);
        let mut buffer = [0; PIECE];
        let (mut at, mut left) = (begin * width as u64, count * width);
        while left > 0 {
            let piece = &mut buffer[..left.min(PIECE)];
            self.tokens.read_at(piece, at)?;
            if width == 4 {
                let (words, _) = piece.as_chunks::<4>();
                ids.extend(words.iter().map(|word| u32::from_le_bytes(*word)));
            } else {
                let (words, _) = piece.as_chunks::<2>();
                ids.extend(words.iter().map(|word| u32::from(u16::from_le_bytes(*word))));
            }
            (at, left) = (at + piece.len() as u64, left - piece.len());
        }
        Ok(())
    }

    /// Checks that the token file was not changed or truncated since it was opened, unless it is held in memory. However
    /// often it is called, it looks only a few times a second.
    ///
    /// # Errors
    /// If the file was changed, with its name.
    pub fn check_unchanged(&self) -> Result<(), StoreError> {
        self.tokens.check_in_use()
    }

    /// The number of tokens of `document`; 0 if there is no such document, or if the index cannot be read, which
    /// is an error as soon as tokens are asked for.
    pub fn len_of(&self, document: u64) -> usize {
        let (first, end) = self.index().map_or((0, 0), |index| bounds(index, document));
        (end - first) as usize
    }

    /// Bytes of a token.
    fn width(&self) -> usize {
        self.manifest.token_bits as usize / 8
    }

    /// The token at which each document ends. It stays in memory from the first call on: 8 bytes a document.
    fn index(&self) -> Result<&[u64], StoreError> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let mut bytes = vec![0; self.ends.stamp().size as usize];
        self.ends.read_at(&mut bytes, 0)?;
        self.ends.check_unchanged()?;
        let (records, _) = bytes.as_chunks::<END_BYTES>();
        let index: Vec<u64> = records.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        if !index.is_sorted() || index.last().is_some_and(|end| *end != self.num_tokens()) {
            return Err(self.ends.damaged("its documents do not lie one after the other"));
        }
        Ok(self.index.get_or_init(|| index))
    }

    /// The number of tokens of each document, in order, read from the file: unlike [`Store::len_of`] for all of
    /// them, this takes no more memory for more documents.
    pub fn lengths(&self) -> impl Iterator<Item = Result<u64, StoreError>> {
        let (mut reader, mut before) = (self.ends.reader(), 0);
        (0..self.num_documents()).map(move |_| {
            let mut record = [0; END_BYTES];
            // The path is for an error alone: made for each of millions of documents, it takes a second.
            reader
                .read_exact(&mut record)
                .map_err(|error| StoreError::io("read", &self.folder.join(ENDS))(error))?;
            let end = u64::from_le_bytes(record);
            let length = end.saturating_sub(before);
            before = end;
            Ok(length)
        })
    }

    /// Where `document` was read from; `?` if there is no such document or it cannot be read.
    pub fn key(&self, document: u64) -> Key {
        read_key(&self.keys, &self.sources, document, self.num_documents())
    }

    /// The score of `document`; `None` if the store has no scores, no such document, or it cannot be read.
    pub fn score(&self, document: u64) -> Option<f32> {
        let scores = self.scores.as_ref().filter(|_| document < self.num_documents())?;
        let mut record = [0; SCORE_BYTES];
        scores.read_at(&mut record, document * SCORE_BYTES as u64).ok()?;
        Some(f32::from_le_bytes(record))
    }

    fn check_sizes(&self) -> Result<(), StoreError> {
        let Manifest { num_documents, num_tokens, token_bits: bits, .. } = self.manifest;
        if bits != token_bits(self.vocab_size()) {
            let path = self.folder.join(MANIFEST);
            return Err(StoreError::damaged(&path, format!("{bits} bits a token")));
        }
        let expected = [
            (TOKENS, &self.tokens, num_tokens.checked_mul(u64::from(bits / 8))),
            (ENDS, &self.ends, num_documents.checked_mul(END_BYTES as u64)),
            (KEYS, &self.keys, num_documents.checked_mul(KEY_BYTES as u64)),
        ];
        let scores = self
            .scores
            .as_ref()
            .map(|scores| (SCORES, scores, num_documents.checked_mul(SCORE_BYTES as u64)));
        for (name, file, size) in expected.into_iter().chain(scores) {
            let have = file.stamp().size;
            if Some(have) != size {
                let reason = format!("it has {have} bytes and should have {}", size.unwrap_or(0));
                return Err(StoreError::damaged(&self.folder.join(name), reason));
            }
        }
        Ok(())
    }
}

/// The first token of `document` and the one after its last.
fn bounds(index: &[u64], document: u64) -> (u64, u64) {
    let end = |document: u64| index.get(document as usize).copied();
    match (document, end(document)) {
        (_, None) => (0, 0),
        (0, Some(stop)) => (0, stop),
        (_, Some(stop)) => (end(document - 1).unwrap_or(0).min(stop), stop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::store::StoreBuilder;

    #[test]
    fn a_large_token_file_is_hashed_once_and_again_after_it_was_written_to() {
        let cache = tempfile::tempdir().unwrap();
        let mut builder = StoreBuilder::create(cache.path(), "test", 10).unwrap();
        builder.push(&Key::new("a", 1), &[1, 2, 3]).unwrap();
        drop(builder.finish(Ledger::new().entries()).unwrap());
        let folder = cache.path().join("test");
        let mark = folder.join(super::super::verified::VERIFIED);
        assert!(!mark.exists(), "a small one is hashed each time");
        Store::open_with(&folder, 1, 0).unwrap();
        assert!(mark.exists());
        let tokens = folder.join(TOKENS);
        let before = std::fs::metadata(&tokens).unwrap().modified().unwrap();
        let write = |bytes: [u8; 6], time| {
            let file = std::fs::File::options().write(true).open(&tokens).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
            file.set_modified(time).unwrap();
        };
        // Proof that the mark is used: a change that hides behind the old time is not looked for.
        write([0; 6], before);
        Store::open_with(&folder, 1, 0).unwrap();
        write([0; 6], before + std::time::Duration::from_secs(1));
        let error = Store::open_with(&folder, 1, 0).unwrap_err().to_string();
        assert!(error.contains("tokens.bin") && error.contains("SHA-256"), "{error}");
        write([1, 0, 2, 0, 3, 0], before + std::time::Duration::from_secs(2));
        assert_eq!(Store::open_with(&folder, 1, 0).unwrap().tokens(0).unwrap(), [1, 2, 3]);
    }
    /// What a reader of `tokens.bin` gets after `change`, with the file in memory or not.
    fn after(change: impl FnOnce(&Path), in_memory: u64) -> String {
        let cache = tempfile::tempdir().unwrap();
        let mut builder = StoreBuilder::create(cache.path(), "test", 10).unwrap();
        builder.push(&Key::new("a", 1), &[1, 2, 3]).unwrap();
        drop(builder.finish(Ledger::new().entries()).unwrap());
        let folder = cache.path().join("test");
        let store = Store::open_with(&folder, HASH_ON_OPEN, in_memory).unwrap();
        assert_eq!(store.tokens(0).unwrap(), [1, 2, 3]);
        // Times of change are kept in ticks of some milliseconds, and are not looked at all the time.
        std::thread::sleep(std::time::Duration::from_millis(80));
        change(&folder.join(TOKENS));
        store.tokens(0).map_or_else(|error| error.to_string(), |tokens| format!("{tokens:?}"))
    }

    #[test]
    fn a_store_that_is_cut_or_changed_under_a_reader_is_an_error_or_as_it_was() {
        let in_place = |path: &Path| std::fs::File::options().write(true).open(path).unwrap();
        let cut = |path: &Path| in_place(path).set_len(2).unwrap();
        let write = |path: &Path| {
            std::os::unix::fs::FileExt::write_all_at(&in_place(path), &[9], 0).unwrap();
        };
        for said in [after(cut, 0), after(write, 0)] {
            assert!(said.contains("tokens.bin") && said.contains("changed while"), "{said}");
        }
        for said in [after(cut, 6), after(write, 6)] {
            assert_eq!(said, "[1, 2, 3]");
        }
        // Another process may replace a store, which leaves the opened files as they are.
        let replaced = |path: &Path| std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        assert_eq!(after(replaced, 0), "[1, 2, 3]");
    }

    #[test]
    fn a_read_past_a_cut_is_an_error_too() {
        let cache = tempfile::tempdir().unwrap();
        let mut builder = StoreBuilder::create(cache.path(), "test", 10).unwrap();
        builder.push(&Key::new("a", 1), &[1, 2, 3]).unwrap();
        drop(builder.finish(Ledger::new().entries()).unwrap());
        let folder = cache.path().join("test");
        let store = Store::open_with(&folder, HASH_ON_OPEN, 0).unwrap();
        std::fs::File::options().write(true).open(folder.join(TOKENS)).unwrap().set_len(2).unwrap();
        let error = store.append_to(&mut Vec::new(), 0, 0, 9).unwrap_err().to_string();
        assert!(error.contains("tokens.bin") && error.contains("cut off while"), "{error}");
    }
}
