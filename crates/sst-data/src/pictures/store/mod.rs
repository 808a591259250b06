//! The picture store: resized pixels in a folder that is built once, so that training never decodes a file twice.
//!
//! ```text
//! CACHE/FINGERPRINT/
//!   pixels.bin      the pixels of all pictures, u8, row by row, red, green and blue side by side
//!   records.bin     for each picture, its key, label and captions, in JSON
//!   index.bin       for each picture, the bytes up to its end in both files (u64 each), its width and height (u32 each)
//!   manifest.json   labels, ledger, the size and SHA-256 of the files above, and a hash of itself
//! ```
//!
//! It is built, locked and checked like the [token store](crate::store): in a temporary folder, which is renamed when it
//! is complete. Files of up to 64 MiB are held in memory, and larger ones are read by position. They are not mapped into
//! memory, because a process that reads a mapped file ends when another one cuts the file off.

mod format;
mod prepare;
mod reader;
mod size;
mod writer;

pub use prepare::PicturePreparation;
pub use reader::{PictureRecord, PictureStore};
pub use size::{StoredPictures, StoredSize};
