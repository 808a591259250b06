//! Writes a store: beside its place, then renamed into it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::file::StoreFile;
use super::format::{
    ENDS, FileRecord, KEYS, MANIFEST, Manifest, SCORES, TOKENS, VERSION, token_bits,
};
use super::reader::HASH_ON_OPEN;
use super::verified::set_verified;
use super::{Store, StoreError};
use crate::atomic;
use crate::example::Key;
use crate::hex::hex;
use crate::ledger::Entry;

/// A build folder untouched for so long belongs to a build that was killed.
const STALE_AFTER: Duration = Duration::from_secs(60 * 60);

/// Tells apart the builds of one process.
static BUILDS: AtomicU64 = AtomicU64::new(0);

/// Streams documents into a store. Dropped before [`StoreBuilder::finish`], it leaves nothing.
#[derive(Debug)]
pub struct StoreBuilder {
    temporary: TemporaryFolder,
    place: PathBuf,
    tokens: HashedFile,
    ends: HashedFile,
    keys: HashedFile,
    scores: Option<HashedFile>,
    sources: BTreeMap<Arc<str>, u32>,
    manifest: Manifest,
}

impl StoreBuilder {
    /// Starts `cache/fingerprint` for token ids below `vocab_size`: 16 bits a token up to 65,536 of
    /// them, 32 bits beyond. Removes what builds of it that were killed an hour ago or more left.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn create(cache: &Path, fingerprint: &str, vocab_size: usize) -> Result<Self, StoreError> {
        std::fs::create_dir_all(cache).map_err(StoreError::io("create", cache))?;
        remove_stale(cache, fingerprint);
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
            keys: HashedFile::create(&temporary.path, KEYS)?,
            scores: None,
            place: cache.join(fingerprint),
            sources: BTreeMap::new(),
            temporary,
            manifest,
        })
    }

    /// Adds a document without a score.
    ///
    /// # Errors
    /// If an id is not below the vocabulary size, others have scores, or the disk is full.
    pub fn push(&mut self, key: &Key, ids: &[u32]) -> Result<(), StoreError> {
        self.add(key, ids, None)
    }

    /// Adds a document with a score.
    ///
    /// # Errors
    /// If an id is not below the vocabulary size, others have no score, or the disk is full.
    pub fn push_scored(&mut self, key: &Key, ids: &[u32], score: f32) -> Result<(), StoreError> {
        self.add(key, ids, Some(score))
    }

    pub(super) fn add(
        &mut self,
        key: &Key,
        ids: &[u32],
        score: Option<f32>,
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
        let source = self.source(&key.source)?;
        self.tokens.write(&bytes)?;
        self.manifest.num_documents += 1;
        self.manifest.num_tokens += ids.len() as u64;
        self.ends.write(&self.manifest.num_tokens.to_le_bytes())?;
        self.keys.write(&source.to_le_bytes())?;
        self.keys.write(&key.record.to_le_bytes())
    }

    /// The number of documents and tokens so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.manifest.num_documents, self.manifest.num_tokens)
    }

    /// Syncs the files, writes the manifest and puts the store in its place. If another builder
    /// was first, its store is left there: both were made from the same sources.
    ///
    /// # Errors
    /// Any I/O error; nothing is left behind then.
    pub fn finish(mut self, ledger: BTreeMap<String, Entry>) -> Result<Store, StoreError> {
        self.manifest.ledger = ledger;
        let files = [(TOKENS, self.tokens), (ENDS, self.ends), (KEYS, self.keys)];
        for (name, file) in files.into_iter().chain(self.scores.map(|file| (SCORES, file))) {
            self.manifest.files.insert(name.to_owned(), file.finish()?);
        }
        let path = self.temporary.path.join(MANIFEST);
        let json = self.manifest.clone().sealed();
        let json = json.map_err(|error| StoreError::damaged(&path, error.to_string()))?;
        atomic::write(&path, &json).map_err(StoreError::io("write", &path))?;
        // It was hashed while it was written.
        if let Some(record) = self.manifest.files.get(TOKENS)
            && record.size > HASH_ON_OPEN
        {
            let stamp = StoreFile::open(&self.temporary.path.join(TOKENS))?.stamp();
            set_verified(&self.temporary.path, stamp, &record.sha256);
        }
        // Opened before the rename: from here on it is whole, whatever other builders do.
        let mut store = Store::open(&self.temporary.path)?;
        self.temporary.publish(&self.place)?;
        store.moved_to(&self.place);
        Ok(store)
    }

    fn source(&mut self, source: &Arc<str>) -> Result<u32, StoreError> {
        if let Some(number) = self.sources.get(source) {
            return Ok(*number);
        }
        let number = u32::try_from(self.sources.len()).map_err(|_| StoreError::TooManySources)?;
        self.sources.insert(Arc::clone(source), number);
        self.manifest.sources.push(source.to_string());
        Ok(number)
    }
}

/// A file that is hashed while it is written.
#[derive(Debug)]
struct HashedFile {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    size: u64,
}

impl HashedFile {
    fn create(folder: &Path, name: &str) -> Result<Self, StoreError> {
        let path = folder.join(name);
        let file = File::create_new(&path).map_err(StoreError::io("create", &path))?;
        Ok(Self { path, file: BufWriter::new(file), hash: Sha256::new(), size: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.file.write_all(bytes).map_err(StoreError::io("write", &self.path))
    }

    fn finish(mut self) -> Result<FileRecord, StoreError> {
        let done = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        done.map_err(StoreError::io("write", &self.path))?;
        Ok(FileRecord { size: self.size, sha256: hex(&self.hash.finalize()) })
    }
}

/// The folder a store is built in; removed when dropped before it is published.
#[derive(Debug)]
struct TemporaryFolder {
    path: PathBuf,
}

impl TemporaryFolder {
    fn create(cache: &Path, fingerprint: &str) -> Result<Self, StoreError> {
        loop {
            let build = BUILDS.fetch_add(1, Ordering::Relaxed);
            let path = cache.join(format!("{fingerprint}.{}-{build}.tmp", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                // Left by a killed process that had our number.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::io("create", &path)(error)),
            }
        }
    }

    fn publish(&self, place: &Path) -> Result<(), StoreError> {
        const ATTEMPTS: usize = 8;
        for _ in 0..ATTEMPTS {
            match std::fs::rename(&self.path, place) {
                Ok(()) => {
                    return atomic::sync_parent(place).map_err(StoreError::io("sync", place));
                }
                Err(error) if !place.exists() => {
                    return Err(StoreError::io("rename the finished store to", place)(error));
                }
                Err(_) if Store::open(place).is_ok() => return Ok(()),
                Err(_) => set_aside(place),
            }
        }
        Err(StoreError::damaged(place, "it cannot be replaced"))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // After a rename there is nothing here any more, and a leftover is swept later.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Moves a damaged store out of the way, then removes it.
fn set_aside(place: &Path) {
    let build = BUILDS.fetch_add(1, Ordering::Relaxed);
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{build}.damaged.tmp", std::process::id()));
    let aside = place.with_file_name(name);
    tracing::warn!(path = %place.display(), "the prepared store is damaged and is replaced");
    // If another process was quicker, the next attempt to rename sees it.
    if std::fs::rename(place, &aside).is_ok() {
        let _ = std::fs::remove_dir_all(&aside);
    }
}

/// Removes build folders of `fingerprint` that nobody has written to for [`STALE_AFTER`].
fn remove_stale(cache: &Path, fingerprint: &str) {
    let Ok(entries) = std::fs::read_dir(cache) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = name.starts_with(fingerprint) && name.ends_with(".tmp");
        if ours && last_change(&entry.path()).is_some_and(|age| age > STALE_AFTER) {
            tracing::info!(path = %entry.path().display(), "removing a build that was killed");
            // Another process may be sweeping too.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// How long ago the newest file of `folder`, or the folder itself, was changed.
fn last_change(folder: &Path) -> Option<Duration> {
    let own = std::fs::metadata(folder).and_then(|m| m.modified()).ok();
    let files = std::fs::read_dir(folder).ok()?.flatten();
    let newest = files.filter_map(|f| f.metadata().ok()?.modified().ok()).chain(own).max()?;
    SystemTime::now().duration_since(newest).ok()
}
