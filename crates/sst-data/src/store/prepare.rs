//! Prepares a store from sources: reads, cleans and tokenizes the documents once for each set of inputs.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::builder::StoreBuilder;
use super::format::VERSION;
use super::sentences::token_ends;
use super::{Store, StoreError};
use crate::clean::{CleanConfig, Cleaner};
use crate::example::{Example, Field, Key};
use crate::hex::hex;
use crate::ledger::Ledger;
use crate::lock::{self, FileLock, LockError};
use crate::read::{self, ReadError, SCORE, Source, check_regular};
use crate::sentence;
use crate::setting::{self, NamesSettings, Setting};
use crate::tokenize::{TokenizeError, Tokenizer, UnknownCount, unknown_warning};

/// The number of bytes of text that are tokenized at once. It bounds the memory, and is enough to keep every core
/// busy.
const BATCH_BYTES: usize = 4 << 20;
/// The number of bytes that are hashed at each end of a source file.
const SAMPLE_BYTES: u64 = 64 << 10;

/// Why a store could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A source cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A text cannot be tokenized.
    #[error("{key}: {error}")]
    Tokenize {
        /// The first document of the batch that failed.
        key: Key,
        /// The error of the tokenizer.
        #[source]
        error: TokenizeError,
    },
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cache cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No document is left after cleaning.
    #[error("cleaning left no document of {0}: the ledger says what was dropped")]
    Empty(String),
}

impl NamesSettings for PrepareError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::Read(error) => error.settings(),
            Self::Empty(_) => vec![setting::CLEAN],
            Self::Tokenize { .. } | Self::Store(_) | Self::Lock(_) => Vec::new(),
        }
    }
}

/// A list of numbers for each document: its tokens, or its sentence ends.
type Documents = Vec<Vec<u32>>;

/// The inputs of a store.
#[derive(Debug)]
pub struct Preparation<'a> {
    /// The source of the texts.
    pub source: &'a Source,
    /// The cleaning rules.
    pub clean: &'a CleanConfig,
    /// The tokenizer, which is used without special tokens.
    pub tokenizer: &'a Tokenizer,
    /// Whether the store keeps sentence ends, which rows of two segments need. Such a store is separate from the one
    /// without sentence ends.
    pub sentence_ends: bool,
    /// The ledger that gets the counts of reading and cleaning. If the store exists already, they come from the store.
    pub ledger: &'a Ledger,
    /// The folder that contains the stores.
    pub cache: &'a Path,
}

impl Preparation<'_> {
    /// The SHA-256 of everything that the store depends on: the format, the tokenizer, the cleaning rules, how the
    /// sources are read, and for each file its path as written, its size, its time of change and its first and last 64
    /// KiB. A file that differs from an older one of the same size and time only in the middle is not noticed, because
    /// reading terabytes to find out would defeat the cache.
    ///
    /// # Errors
    /// If a file does not exist.
    pub fn fingerprint(&self) -> Result<String, PrepareError> {
        let Source { paths, format, text_field, score_field, pair_fields, on_error, .. } =
            self.source;
        let mut hash = Sha256::new();
        let clean = serde_json::to_string(self.clean)
            .map_err(|error| StoreError::damaged(self.cache, error.to_string()))?;
        let versions = format!("{VERSION}\n{}\n", read::VERSION);
        let options = format!("{versions}{paths:?}\n{format:?}\n{text_field:?}\n{on_error:?}\n");
        hash.update(options + &clean + "\n" + &self.tokenizer.fingerprint() + "\n");
        // The score field is part of the hash only if it is set, so that stores without scores keep their name.
        if let Some(field) = score_field {
            hash.update(format!("score {field:?}\n"));
        }
        if !pair_fields.is_empty() {
            hash.update(format!("pairs {pair_fields:?}\n"));
        }
        if self.sentence_ends {
            hash.update(format!("sentences {}\n", sentence::VERSION));
        }
        for path in self.source.files()? {
            check_regular(&path)?;
            hash.update(sample(&path).map_err(StoreError::io("read", &path))?);
        }
        Ok(hex(&hash.finalize()))
    }

    /// The store for these inputs, from the cache or newly built. If another process is building it, this waits.
    /// `progress` is called with the numbers of documents and tokens so far. Memory does not grow with the corpus,
    /// except for the hashes that detect duplicates.
    ///
    /// # Errors
    /// If a source cannot be read, the disk is full, or nothing is left after cleaning.
    pub fn prepare(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Arc<Store>, PrepareError> {
        let fingerprint = self.fingerprint()?;
        let build = || self.build(&fingerprint, progress);
        let (store, is_new) = open_or_build(self.cache, &fingerprint, Store::open, build)?;
        self.replay(&store);
        if !is_new {
            progress(store.num_documents(), store.num_tokens());
        }
        Ok(Arc::new(store))
    }

    fn build(
        &self,
        fingerprint: &str,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Store, PrepareError> {
        // The store gets a ledger of its own, so that its counts include nothing else.
        let ledger = Ledger::new();
        let vocab_size = self.tokenizer.vocab_size();
        let mut builder = StoreBuilder::create(self.cache, fingerprint, vocab_size)?;
        if self.sentence_ends {
            builder = builder.with_sentences()?;
        }
        let mut cleaner = Cleaner::new(self.clean.clone(), ledger.clone());
        let mut batch = Batch::default();
        let mut unknown = UnknownCount::new();
        for example in self.source.read(&ledger)? {
            let example = example?;
            let Some(texts) = self.cleaned(&mut cleaner, &example) else { continue };
            batch.bytes += texts.iter().map(String::len).sum::<usize>();
            // Without a configured score field, a field with this name is ordinary data.
            let wanted = self.source.score_field.as_ref().and(example.fields.get(SCORE));
            batch.scores.push(match wanted {
                Some(Field::Float(score)) => Some(*score as f32),
                _ => None,
            });
            batch.keys.push(example.key);
            batch.texts.extend(texts);
            if batch.bytes >= BATCH_BYTES {
                self.flush(&mut batch, &mut builder, &ledger, &mut unknown)?;
                let (documents, tokens) = builder.counts();
                progress(documents, tokens);
            }
        }
        self.flush(&mut batch, &mut builder, &ledger, &mut unknown)?;
        let (documents, tokens) = builder.counts();
        progress(documents, tokens);
        if documents == 0 {
            self.ledger.merge(&ledger.entries());
            return Err(PrepareError::Empty(self.source.paths.join(", ")));
        }
        unknown.finish(&ledger);
        Ok(builder.finish(ledger.entries())?)
    }

    fn flush(
        &self,
        batch: &mut Batch,
        builder: &mut StoreBuilder,
        ledger: &Ledger,
        unknown: &mut UnknownCount,
    ) -> Result<(), PrepareError> {
        let Batch { keys, texts, scores, .. } = std::mem::take(batch);
        let Some(first) = keys.first().cloned() else { return Ok(()) };
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (documents, sentence_ends) =
            self.tokenised(&texts).map_err(|error| PrepareError::Tokenize { key: first, error })?;
        for (at, (text, ids)) in texts.iter().zip(&documents).enumerate() {
            let key = keys.get(at / self.group());
            let count = self.tokenizer.count_unknown(ids);
            unknown.add(self.tokenizer, text, count, key, ledger).map_err(|error| {
                PrepareError::Tokenize {
                    key: key.cloned().unwrap_or_else(|| Key::new("", 0)),
                    error,
                }
            })?;
        }
        let mut sentence_ends = sentence_ends.iter();
        let groups = documents.chunks_exact(self.group());
        for ((key, group), score) in keys.iter().zip(groups).zip(scores) {
            // The list is empty if the store keeps no sentence ends.
            let ends: Vec<&Vec<u32>> = sentence_ends.by_ref().take(group.len()).collect();
            if group.iter().any(Vec::is_empty) {
                ledger.add("tokenize.no_tokens", 1, Some(key));
                continue;
            }
            for (at, ids) in group.iter().enumerate() {
                builder.add(key, ids, score, ends.get(at).map(|ends| ends.as_slice()))?;
            }
        }
        Ok(())
    }

    /// The tokens of each text, and its sentence ends if the store keeps them.
    fn tokenised(&self, texts: &[&str]) -> Result<(Documents, Documents), TokenizeError> {
        if !self.sentence_ends {
            return Ok((self.tokenizer.encode_batch(texts)?, Vec::new()));
        }
        let tokenise = |text: &&str| -> Result<_, TokenizeError> {
            let encoding = self.tokenizer.encoding(text)?;
            let ends = token_ends(text, &encoding);
            Ok((encoding.ids, ends))
        };
        let tokenised: Vec<_> = texts.par_iter().map(tokenise).collect::<Result<_, _>>()?;
        Ok(tokenised.into_iter().unzip())
    }

    /// The number of documents that a record becomes. They belong together.
    fn group(&self) -> usize {
        1 + self.source.pair_fields.len()
    }

    /// The cleaned texts of a record; `None` if the record is dropped.
    fn cleaned(&self, cleaner: &mut Cleaner, example: &Example) -> Option<Vec<String>> {
        let others = self.source.pair_fields.iter().map(|field| example.text(field));
        let texts: Option<Vec<&str>> =
            std::iter::once(example.text("text")).chain(others).collect();
        cleaner.clean_group(&example.key, &texts?)
    }

    fn replay(&self, store: &Store) {
        self.ledger.merge(store.ledger());
        let replayed = Ledger::new();
        replayed.merge(store.ledger());
        if let Some(warning) = unknown_warning(&replayed, store.num_tokens()) {
            tracing::warn!("{warning}");
        }
    }
}

#[derive(Default)]
struct Batch {
    keys: Vec<Key>,
    /// The texts of a record follow each other.
    texts: Vec<String>,
    scores: Vec<Option<f32>>,
    bytes: usize,
}

/// Opens the store `cache/fingerprint`, or builds it with `build`. The second value says whether it is new. Only one
/// process builds; another that needs the same store waits, and then opens the result.
pub(crate) fn open_or_build<S, E: From<StoreError> + From<LockError>>(
    cache: &Path,
    fingerprint: &str,
    open: impl Fn(&Path) -> Result<S, StoreError>,
    build: impl FnOnce() -> Result<S, E>,
) -> Result<(S, bool), E> {
    let place = cache.join(fingerprint);
    if let Ok(store) = open(&place) {
        return Ok((store, false));
    }
    std::fs::create_dir_all(cache).map_err(StoreError::io("create", cache))?;
    let lock = cache.join(format!("{fingerprint}.lock"));
    let _lock = FileLock::wait(&lock, |pid| {
        tracing::warn!("waiting for {}, which is preparing the same data", lock::holder(pid));
    })?;
    if place.exists() {
        match open(&place) {
            Ok(store) => return Ok((store, false)),
            Err(error) => tracing::warn!(%error, "preparing the data again"),
        }
    }
    Ok((build()?, true))
}

/// The bytes that identify a file: path, size, time of change, and both ends.
pub(crate) fn sample(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let size = metadata.len();
    let mut hash = Sha256::new();
    let mut ends = Vec::new();
    (&mut file).take(SAMPLE_BYTES).read_to_end(&mut ends)?;
    file.seek(SeekFrom::Start(size.saturating_sub(SAMPLE_BYTES)))?;
    file.take(SAMPLE_BYTES).read_to_end(&mut ends)?;
    hash.update(format!("{}\n{size}\n{}\n", path.display(), changed.as_nanos()));
    hash.update(&ends);
    Ok(hash.finalize().to_vec())
}
