//! A file mapped into memory, read-only.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use filebuffer::FileBuffer;
use sha2::{Digest, Sha256};

use super::StoreError;
use super::format::hex;

/// The bytes of a file.
///
/// Files of a store are written once, in a folder no one else knows, and afterwards only renamed or
/// unlinked, which leaves the mapped bytes as they are.
#[derive(Debug)]
pub(super) struct MappedFile {
    map: FileBuffer,
    file: File,
}

impl MappedFile {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let map = FileBuffer::open(path).map_err(StoreError::io("open", path))?;
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        Ok(Self { map, file })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// The SHA-256 of the file. Read piece by piece and not through the map: pages that were touched there count
    /// as memory of the process.
    pub(super) fn sha256(&self) -> std::io::Result<String> {
        let (mut hash, mut piece, mut at) = (Sha256::new(), vec![0; 256 << 10], 0);
        loop {
            match self.file.read_at(&mut piece, at)? {
                0 => return Ok(hex(&hash.finalize())),
                count => {
                    hash.update(&piece[..count]);
                    at += count as u64;
                }
            }
        }
    }
}
