//! Builds a store in a temporary folder, which is then renamed to its place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file::StoreFile;
use super::format::{ENDS, KEYS, MANIFEST, Manifest, SCORES, Sealed, TOKENS, VERSION, token_bits};
use super::hashed::HashedFile;
use super::keys::KeyWriter;
use super::reader::HASH_ON_OPEN;
use super::sentences::SentenceWriter;
use super::temporary::TemporaryFolder;
use super::verified::{VERIFIED, set_verified};
use super::{Store, StoreError};
use crate::atomic;
use crate::example::Key;
use crate::ledger::Entry;

/// Writes documents into a store. If it is dropped before [`StoreBuilder::finish`], nothing is left on disk.
#[derive(Debug)]
pub struct StoreBuilder {
    temporary: TemporaryFolder,
    place: PathBuf,
    tokens: HashedFile,
    ends: HashedFile,
    keys: KeyWriter,
    scores: Option<HashedFile>,
    sentences: Option<SentenceWriter>,
    manifest: Manifest,
}

impl StoreBuilder {
    /// Starts building `cache/fingerprint` for token ids below `vocab_size`. Tokens take 16 bits in vocabularies of up
    /// to 65,536 ids, otherwise 32. The remains of builds of the same store that were killed at least an hour ago are
    /// removed.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn create(cache: &Path, fingerprint: &str, vocab_size: usize) -> Result<Self, StoreError> {
        let temporary = TemporaryFolder::create(cache, fingerprint)?;
        let manifest = Manifest {
            version: VERSION,
            fingerprint: fingerprint.to_owned(),
            vocab_size: vocab_size as u64,
            token_bits: token_bits(vocab_size),
            num_documents: 0,
            num_tokens: 0,
            sources: Vec::new(),
            ledger: BTreeMap::new(),
            files: BTreeMap::new(),
            seal: String::new(),
        };
        Ok(Self {
            tokens: HashedFile::create(&temporary.path, TOKENS)?,
            ends: HashedFile::create(&temporary.path, ENDS)?,
            keys: KeyWriter::create(&temporary.path)?,
            scores: None,
            sentences: None,
            place: cache.join(fingerprint),
            temporary,
            manifest,
        })
    }

    /// The same builder for a store with sentence ends, which [`StoreBuilder::push_sentences`] takes.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn with_sentences(self) -> Result<Self, StoreError> {
        let sentences = Some(SentenceWriter::create(&self.temporary.path)?);
        Ok(Self { sentences, ..self })
    }

    /// Adds a document without a score.
    ///
    /// # Errors
    /// If an id is not below the vocabulary size, other documents have scores, or the disk is full.
    pub fn push(&mut self, key: &Key, ids: &[u32]) -> Result<(), StoreError> {
        self.add(key, ids, None, None)
    }

    /// Adds a document with a score.
    ///
    /// # Errors
    /// If an id is not below the vocabulary size, other documents have no score, or the disk is full.
    pub fn push_scored(&mut self, key: &Key, ids: &[u32], score: f32) -> Result<(), StoreError> {
        self.add(key, ids, Some(score), None)
    }

    /// Adds a document with its sentence ends: the number of tokens up to the end of each sentence. Each is greater
    /// than the one before it, and the last equals the number of tokens.
    ///
    /// # Errors
    /// If an id is not below the vocabulary size, the sentence ends are not valid, the store was not built [with
    /// sentences](StoreBuilder::with_sentences), or the disk is full.
    pub fn push_sentences(
        &mut self,
        key: &Key,
        ids: &[u32],
        ends: &[u32],
    ) -> Result<(), StoreError> {
        self.add(key, ids, None, Some(ends))
    }

    pub(super) fn add(
        &mut self,
        key: &Key,
        ids: &[u32],
        score: Option<f32>,
        sentence_ends: Option<&[u32]>,
    ) -> Result<(), StoreError> {
        let vocab_size = self.manifest.vocab_size as usize;
        if let Some(&id) = ids.iter().find(|id| **id as usize >= vocab_size) {
            return Err(StoreError::IdTooLarge { id, vocab_size });
        }
        let bytes: Vec<u8> = match self.manifest.token_bits {
            16 => ids.iter().flat_map(|id| (*id as u16).to_le_bytes()).collect(),
            _ => ids.iter().flat_map(|id| id.to_le_bytes()).collect(),
        };
        if score.is_some() && self.manifest.num_documents == 0 {
            self.scores = Some(HashedFile::create(&self.temporary.path, SCORES)?);
        }
        match (&mut self.scores, score) {
            (None, None) => {}
            (Some(scores), Some(score)) => scores.write(&score.to_le_bytes())?,
            _ => return Err(StoreError::Score(key.clone())),
        }
        match (&mut self.sentences, sentence_ends) {
            (None, None) => {}
            (Some(sentences), Some(ends)) => sentences.push(key, ids.len(), ends)?,
            _ => return Err(StoreError::Sentences(key.clone())),
        }
        self.tokens.write(&bytes)?;
        self.manifest.num_documents += 1;
        self.manifest.num_tokens += ids.len() as u64;
        self.ends.write(&self.manifest.num_tokens.to_le_bytes())?;
        self.keys.push(key)
    }

    /// The number of documents and tokens so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.manifest.num_documents, self.manifest.num_tokens)
    }

    /// Syncs the files, writes the manifest and moves the store to its place. If another builder was faster, its store
    /// is kept, because both were built from the same sources.
    ///
    /// # Errors
    /// Any I/O error. Then nothing is left on disk.
    pub fn finish(mut self, ledger: BTreeMap<String, Entry>) -> Result<Store, StoreError> {
        self.manifest.ledger = ledger;
        let (keys, sources) = self.keys.finish()?;
        self.manifest.sources = sources;
        self.manifest.files.insert(KEYS.to_owned(), keys);
        let files = [(TOKENS, self.tokens), (ENDS, self.ends)];
        for (name, file) in files.into_iter().chain(self.scores.map(|file| (SCORES, file))) {
            self.manifest.files.insert(name.to_owned(), file.finish()?);
        }
        if let Some(sentences) = self.sentences {
            self.manifest.files.extend(sentences.finish()?);
        }
        let path = self.temporary.path.join(MANIFEST);
        let json = self.manifest.clone().sealed();
        let json = json.map_err(|error| StoreError::damaged(&path, error.to_string()))?;
        atomic::write(&path, &json).map_err(StoreError::io("write", &path))?;
        // The file was hashed while it was written.
        if let Some(record) = self.manifest.files.get(TOKENS)
            && record.size > HASH_ON_OPEN
        {
            let stamp = StoreFile::open(&self.temporary.path.join(TOKENS))?.stamp();
            set_verified(&self.temporary.path, VERIFIED, stamp, &record.sha256);
        }
        // The store is opened before the rename, so other builders cannot affect it.
        let mut store = Store::open(&self.temporary.path)?;
        self.temporary.publish(&self.place, |place| Store::open(place).is_ok())?;
        store.moved_to(&self.place);
        Ok(store)
    }
}
