//! The prepared token store: documents as token ids in a memory-mapped folder, built once.
//!
//! ```text
//! CACHE/FINGERPRINT/
//!   tokens.bin      token ids of all documents, u16 or u32, little-endian
//!   ends.bin        for each document, the number of tokens up to its end, u64
//!   keys.bin        for each document, its source (u32, into the manifest's list) and record (u64)
//!   scores.bin      for each document, its score, f32; only where a score field was asked for
//!   manifest.json   counts, sources, ledger, and the size and SHA-256 of the files above
//! ```
//!
//! A store is built in a folder of its own beside its place and renamed when whole, so a build that
//! is killed leaves only a `*.tmp` folder, and two builders at once never write to the same file.

mod builder;
mod error;
mod format;
mod map;
mod prepare;
mod reader;

pub use builder::StoreBuilder;
pub use error::StoreError;
pub(crate) use format::hex;
pub use prepare::{Preparation, PrepareError};
pub use reader::{Store, TokenSlice};
