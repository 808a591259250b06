//! A file mapped into memory, read-only.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
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

    /// A reader of the file from its beginning. Not through the map: pages that were touched there count as memory
    /// of the process.
    pub(super) fn reader(&self) -> BufReader<Positioned<'_>> {
        BufReader::with_capacity(256 << 10, Positioned { file: &self.file, at: 0 })
    }

    /// The SHA-256 of the file.
    pub(super) fn sha256(&self) -> io::Result<String> {
        let (mut hash, mut reader) = (Sha256::new(), self.reader());
        loop {
            let piece = reader.fill_buf()?;
            if piece.is_empty() {
                return Ok(hex(&hash.finalize()));
            }
            hash.update(piece);
            let count = piece.len();
            reader.consume(count);
        }
    }
}

/// Reads a file at a place of its own: the file's is shared by all who read it.
pub(super) struct Positioned<'a> {
    file: &'a File,
    at: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(piece, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
