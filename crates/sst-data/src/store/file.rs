//! A file of a store, open for reading.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::StoreError;
use super::format::hex;

/// A file that is opened once and read by position.
///
/// Not mapped into memory: a file that is cut off under a run would end the process with SIGBUS, where a read
/// fails with an error.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    file: File,
    /// What it was when it was opened. Files of a store are written once, and afterwards only renamed or
    /// unlinked, neither of which changes this.
    opened: Stamp,
}

/// The size of a file and the time of its last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl StoreFile {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let opened = Stamp::of(&file.metadata().map_err(StoreError::io("open", path))?);
        Ok(Self { path: path.to_owned(), file, opened })
    }

    /// Takes a new path, after the folder was renamed.
    pub(super) fn moved_to(&mut self, folder: &Path) {
        self.path = folder.join(self.path.file_name().unwrap_or_default());
    }

    pub(super) fn stamp(&self) -> Stamp {
        self.opened
    }

    pub(super) fn damaged(&self, reason: impl Into<String>) -> StoreError {
        StoreError::damaged(&self.path, reason)
    }

    /// Refuses a file that was written to since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<(), StoreError> {
        let metadata = self.file.metadata().map_err(StoreError::io("read", &self.path))?;
        if Stamp::of(&metadata) == self.opened {
            return Ok(());
        }
        Err(self.damaged("it was changed while it was in use"))
    }

    /// Fills `piece` with the bytes from `at` on.
    pub(super) fn read_at(&self, piece: &mut [u8], at: u64) -> Result<(), StoreError> {
        self.file.read_exact_at(piece, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it was cut off while it was in use"),
            _ => StoreError::io("read", &self.path)(error),
        })
    }

    /// A reader of the file from its beginning.
    pub(super) fn reader(&self) -> BufReader<Positioned<'_>> {
        BufReader::with_capacity(256 << 10, Positioned { file: &self.file, at: 0 })
    }

    /// Compares the file with its SHA-256.
    pub(super) fn check_hash(&self, expected: Option<&str>) -> Result<(), StoreError> {
        let found = self.sha256().map_err(StoreError::io("read", &self.path))?;
        if expected != Some(found.as_str()) {
            return Err(self.damaged("its SHA-256 is not the one in the manifest"));
        }
        self.check_unchanged()
    }

    fn sha256(&self) -> io::Result<String> {
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
