//! The format of a store on disk.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::ledger::Entry;

/// The version of the format. It is raised whenever a byte of the files or its meaning changes, so that older stores
/// are rebuilt.
pub(super) const VERSION: u32 = 2;

pub(super) const TOKENS: &str = "tokens.bin";
pub(crate) const ENDS: &str = "ends.bin";
pub(crate) const KEYS: &str = "keys.bin";
/// The scores; only in stores with scores.
pub(super) const SCORES: &str = "scores.bin";
/// Sentence ends; only in stores that keep them.
pub(super) const SENTENCES: &str = "sentences.bin";
/// Sentence ends; only in stores that keep them.
pub(super) const SENTENCE_COUNTS: &str = "sentence_counts.bin";
pub(crate) const MANIFEST: &str = "manifest.json";

/// The bytes of one record of `ends.bin`.
pub(crate) const END_BYTES: usize = 8;
/// The bytes of one record of `keys.bin`: the source (4), whose highest bit stands for a question, and the record number (8).
pub(crate) const KEY_BYTES: usize = 12;
/// The bytes of one record of `scores.bin`.
pub(super) const SCORE_BYTES: usize = 4;
/// The bytes of one record of `sentences.bin`.
pub(super) const SENTENCE_BYTES: usize = 4;
/// The bytes of one record of `sentence_counts.bin`.
pub(super) const COUNT_BYTES: usize = 8;

/// The size and hash of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileRecord {
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

/// The hash of all files of a store but the keys, which say where the contents were read from. A copy of the same data at
/// another place has the same hash.
pub(crate) fn hash_of_contents(files: &BTreeMap<String, FileRecord>, more: &str) -> String {
    let mut hash = Sha256::new();
    for (name, file) in files.iter().filter(|(name, _)| *name != KEYS) {
        hash.update(format!("{name} {}\n", file.sha256));
    }
    hash.update(more);
    hex(&hash.finalize())
}

/// The contents of `manifest.json`. It is written last, so a folder with a manifest is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) version: u32,
    pub(super) fingerprint: String,
    pub(super) vocab_size: u64,
    pub(super) token_bits: u32,
    pub(super) num_documents: u64,
    pub(super) num_tokens: u64,
    pub(super) sources: Vec<String>,
    pub(super) ledger: BTreeMap<String, Entry>,
    pub(super) files: BTreeMap<String, FileRecord>,
    /// The SHA-256 of all other fields, which shows whether the manifest was changed.
    pub(super) seal: String,
}

impl Sealed for Manifest {
    const VERSION: u32 = VERSION;

    fn seal(&mut self) -> &mut String {
        &mut self.seal
    }
}

/// A manifest that contains a hash of itself.
pub(crate) trait Sealed: Clone + Serialize + DeserializeOwned {
    /// The version of the format, stored as `version`.
    const VERSION: u32;

    /// The field that holds the hash of all other fields.
    fn seal(&mut self) -> &mut String;

    /// The contents of the file, including the hash.
    fn sealed(mut self) -> serde_json::Result<Vec<u8>> {
        *self.seal() = self.hash()?;
        serde_json::to_vec_pretty(&self)
    }

    /// Parses the contents of the file. The error describes what is wrong.
    fn read(text: &[u8]) -> Result<Self, String> {
        let value: serde_json::Value =
            serde_json::from_slice(text).map_err(|error| error.to_string())?;
        // The version is checked first, because other versions have other fields.
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        if version != Some(Self::VERSION.into()) {
            let version = version.map_or("unknown".to_owned(), |version| version.to_string());
            return Err(format!("its format is {version}, not {}", Self::VERSION));
        }
        let mut manifest: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let hash = manifest.hash().map_err(|error| error.to_string())?;
        let same = serde_json::to_vec_pretty(&manifest).is_ok_and(|again| again == text);
        match same && hash == *manifest.seal() {
            true => Ok(manifest),
            false => Err("it was changed since it was written".to_owned()),
        }
    }

    /// The SHA-256 of the manifest with an empty seal.
    fn hash(&self) -> serde_json::Result<String> {
        let mut open = self.clone();
        open.seal().clear();
        Ok(hex(&Sha256::digest(serde_json::to_vec(&open)?)))
    }
}

/// The number of bits of a token in a store of this vocabulary.
pub(super) fn token_bits(vocab_size: usize) -> u32 {
    if vocab_size <= 1 << 16 { 16 } else { 32 }
}
