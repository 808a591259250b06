//! Reads a store.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;
use super::format::{
    END_BYTES, ENDS, KEY_BYTES, KEYS, MANIFEST, Manifest, SCORE_BYTES, SCORES, TOKENS, VERSION,
    token_bits,
};
use super::map::MappedFile;
use crate::example::Key;
use crate::ledger::Entry;

/// Token files up to this size are hashed whenever they are opened (some 0.2 s); of larger ones
/// only the size is checked then, and [`Store::verify`] does the rest.
const HASH_ON_OPEN: u64 = 256 << 20;

/// A prepared store, open for reading. Cheap to share; documents are numbered from 0.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    manifest: Manifest,
    sources: Vec<Arc<str>>,
    tokens: MappedFile,
    ends: MappedFile,
    keys: MappedFile,
    scores: Option<MappedFile>,
}

/// The token ids of a document, as they lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenSlice<'a> {
    bytes: &'a [u8],
    wide: bool,
}

impl TokenSlice<'_> {
    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.width()
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// `count` tokens from token `first` on, or as many of them as there are.
    pub fn slice(self, first: usize, count: usize) -> Self {
        let bound = |token: usize| token.saturating_mul(self.width()).min(self.bytes.len());
        Self { bytes: &self.bytes[bound(first)..bound(first.saturating_add(count))], ..self }
    }

    /// Appends the ids to `ids`.
    pub fn append_to(&self, ids: &mut Vec<u32>) {
        if self.wide {
            let (words, _) = self.bytes.as_chunks::<4>();
            ids.extend(words.iter().map(|word| u32::from_le_bytes(*word)));
        } else {
            let (words, _) = self.bytes.as_chunks::<2>();
            ids.extend(words.iter().map(|word| u32::from(u16::from_le_bytes(*word))));
        }
    }

    /// The ids.
    pub fn to_vec(&self) -> Vec<u32> {
        let mut ids = Vec::with_capacity(self.len());
        self.append_to(&mut ids);
        ids
    }

    fn width(&self) -> usize {
        if self.wide { 4 } else { 2 }
    }
}

impl Store {
    /// Opens the store in `folder`.
    ///
    /// # Errors
    /// If it is not there, was made by another version, or its files are not what the manifest
    /// says: a missing, truncated or altered file.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(MANIFEST);
        let json = std::fs::read(&path).map_err(StoreError::io("read", &path))?;
        let manifest: Manifest = serde_json::from_slice(&json)
            .map_err(|error| StoreError::damaged(&path, error.to_string()))?;
        if manifest.version != VERSION {
            let reason = format!("its format is {}, not {VERSION}", manifest.version);
            return Err(StoreError::damaged(&path, reason));
        }
        // Whether there are scores is for the manifest to say: a lost file is damage.
        let scores = manifest.files.contains_key(SCORES);
        let scores = scores.then(|| MappedFile::open(&folder.join(SCORES))).transpose()?;
        let store = Self {
            folder: folder.to_path_buf(),
            sources: manifest.sources.iter().map(|s| Arc::from(s.as_str())).collect(),
            tokens: MappedFile::open(&folder.join(TOKENS))?,
            ends: MappedFile::open(&folder.join(ENDS))?,
            keys: MappedFile::open(&folder.join(KEYS))?,
            scores,
            manifest,
        };
        store.check_sizes()?;
        store.check_hash(ENDS, &store.ends)?;
        store.check_hash(KEYS, &store.keys)?;
        if let Some(scores) = &store.scores {
            store.check_hash(SCORES, scores)?;
        }
        if store.tokens.bytes().len() as u64 <= HASH_ON_OPEN {
            store.verify()?;
        }
        Ok(store)
    }

    /// Compares the token file with its hash.
    ///
    /// # Errors
    /// If a bit of it is not as it was written.
    pub fn verify(&self) -> Result<(), StoreError> {
        self.check_hash(TOKENS, &self.tokens)
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

    /// What reading, cleaning and tokenising counted when it was made.
    pub fn ledger(&self) -> &BTreeMap<String, Entry> {
        &self.manifest.ledger
    }

    /// The tokens of `document`; none if there is no such document.
    pub fn tokens(&self, document: u64) -> TokenSlice<'_> {
        let wide = self.manifest.token_bits == 32;
        let all = TokenSlice { bytes: self.tokens.bytes(), wide };
        let (first, end) = self.bounds(document);
        all.slice(first as usize, (end - first) as usize)
    }

    /// The number of tokens of `document`; 0 if there is no such document.
    pub fn len_of(&self, document: u64) -> usize {
        let (first, end) = self.bounds(document);
        (end - first) as usize
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

    /// Where `document` was read from; `?:0` if there is no such document.
    pub fn key(&self, document: u64) -> Key {
        let (records, _) = self.keys.bytes().as_chunks::<KEY_BYTES>();
        let found = records.get(document as usize).and_then(|record| {
            let (source, line) = record.split_first_chunk::<4>()?;
            let source = self.sources.get(u32::from_le_bytes(*source) as usize)?;
            Some(Key::new(Arc::clone(source), u64::from_le_bytes(line.try_into().ok()?)))
        });
        found.unwrap_or_else(|| Key::new("?", 0))
    }

    /// The score of `document`; `None` if the store has no scores or no such document.
    pub fn score(&self, document: u64) -> Option<f32> {
        let (scores, _) = self.scores.as_ref()?.bytes().as_chunks::<SCORE_BYTES>();
        scores.get(document as usize).map(|bytes| f32::from_le_bytes(*bytes))
    }

    fn bounds(&self, document: u64) -> (u64, u64) {
        let (ends, _) = self.ends.bytes().as_chunks::<END_BYTES>();
        let end = |i: u64| ends.get(i as usize).map(|bytes| u64::from_le_bytes(*bytes));
        match (document, end(document)) {
            (_, None) => (0, 0),
            (0, Some(stop)) => (0, stop),
            (_, Some(stop)) => (end(document - 1).unwrap_or(0).min(stop), stop),
        }
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
            let have = file.bytes().len() as u64;
            if Some(have) != size {
                let reason = format!("it has {have} bytes and should have {}", size.unwrap_or(0));
                return Err(StoreError::damaged(&self.folder.join(name), reason));
            }
        }
        Ok(())
    }

    fn check_hash(&self, name: &str, file: &MappedFile) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        let found = file.sha256().map_err(StoreError::io("read", &path))?;
        let expected = self.manifest.files.get(name).map(|record| record.sha256.as_str());
        if expected != Some(found.as_str()) {
            let reason = "its SHA-256 is not the one in the manifest";
            return Err(StoreError::damaged(&path, reason));
        }
        Ok(())
    }
}
