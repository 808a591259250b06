//! The layout of a store on disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ledger::Entry;

/// Raised whenever a byte of the layout or of the meaning changes: older stores are then rebuilt.
pub(super) const VERSION: u32 = 1;

pub(super) const TOKENS: &str = "tokens.bin";
pub(super) const ENDS: &str = "ends.bin";
pub(super) const KEYS: &str = "keys.bin";
/// Only in stores whose documents have scores.
pub(super) const SCORES: &str = "scores.bin";
pub(super) const MANIFEST: &str = "manifest.json";

/// Bytes of one record of `ends.bin`.
pub(super) const END_BYTES: usize = 8;
/// Bytes of one record of `keys.bin`: source (4) and record (8).
pub(super) const KEY_BYTES: usize = 12;
/// Bytes of one record of `scores.bin`.
pub(super) const SCORE_BYTES: usize = 4;

/// The size and hash of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileRecord {
    pub(super) size: u64,
    pub(super) sha256: String,
}

/// `manifest.json`: written last, so that a folder with a manifest is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// The bits of a token in a store of this vocabulary.
pub(super) fn token_bits(vocab_size: usize) -> u32 {
    if vocab_size <= 1 << 16 { 16 } else { 32 }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
        text
    })
}
