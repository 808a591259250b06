//! The token store: the token ids of documents in a folder that is built once.
//!
//! ```text
//! CACHE/FINGERPRINT/
//!   tokens.bin      token ids of all documents, u16 or u32, little-endian
//!   ends.bin        for each document, the number of tokens up to its end, u64
//!   keys.bin        for each document, its source (u32, into the manifest's list, and a bit for questions) and number (u64)
//!   scores.bin      for each document, its score, f32; only where a score field was asked for
//!   sentences.bin, sentence_counts.bin   where the sentences of each document end, in tokens; only where asked for
//!   manifest.json   counts, sources, ledger, the size and SHA-256 of the files above, and a hash of itself
//!   verified.json   that a large tokens.bin was compared with its SHA-256, and its time of change then
//! ```
//!
//! Every file is compared with its hash when a store is opened; a large `tokens.bin` only the first time. Files of up
//! to 64 MiB are held in memory. Larger ones are read by position; a file that is changed or cut off meanwhile is an
//! error.
//!
//! A store is built in a temporary folder beside its place, which is renamed when it is complete. A build that is
//! killed leaves only a `*.tmp` folder, and two concurrent builders never write to the same file. A process that
//! prepares data holds `FINGERPRINT.lock` meanwhile, and another process that needs the same store waits for it.

mod builder;
mod by_sentence;
mod error;
mod file;
mod format;
mod hashed;
mod keys;
#[cfg(feature = "pictures")]
mod large;
mod prepare;
mod reader;
mod sentences;
mod temporary;
mod verified;

pub use builder::StoreBuilder;
pub use error::StoreError;
pub(crate) use file::StoreFile;
pub(crate) use format::{
    END_BYTES, ENDS, FileRecord, KEY_BYTES, KEYS, MANIFEST, Sealed, hash_of_contents,
};
pub(crate) use hashed::HashedFile;
pub(crate) use keys::{KeyWriter, read_key};
#[cfg(feature = "pictures")]
pub(crate) use large::{check_large, remember_verified};
pub use prepare::{Preparation, PrepareError};
pub(crate) use prepare::{open_or_build, sample};
pub use reader::Store;
pub(crate) use temporary::TemporaryFolder;
