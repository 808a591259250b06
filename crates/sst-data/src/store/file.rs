//! A file of a store, open for reading.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use super::StoreError;
use crate::hex::hex;

/// How often a file in use is checked for changes.
const CHECK_EVERY: Duration = Duration::from_millis(50);

/// A file that is opened once and either held in memory or read by position.
///
/// It is not mapped into memory: if another process truncates a mapped file, the process gets a SIGBUS, whereas a read
/// fails with an error. The bytes held in memory are those that were hashed, even if the file changes later.
#[derive(Debug)]
pub(crate) struct StoreFile {
    path: PathBuf,
    file: File,
    /// The whole content, if the file is held in memory.
    content: Option<Vec<u8>>,
    opened_at: Instant,
    /// Milliseconds from `opened_at` to the last check for changes.
    checked: AtomicU64,
    /// The size and time of change when the file was opened. Files of a store are written once. Later they are only renamed
    /// or unlinked, which changes neither.
    opened: Stamp,
}

/// The size of a file and the time of its last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    pub(crate) modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl StoreFile {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let opened = Stamp::of(&file.metadata().map_err(StoreError::io("open", path))?);
        let (opened_at, checked) = (Instant::now(), AtomicU64::new(0));
        Ok(Self { path: path.to_owned(), file, content: None, opened_at, checked, opened })
    }

    /// Opens a file, and reads it into memory if it is of at most `most` bytes.
    pub(crate) fn load(path: &Path, most: u64) -> Result<Self, StoreError> {
        let mut this = Self::open(path)?;
        if this.opened.size <= most {
            let mut content = vec![0; this.opened.size as usize];
            this.read_at(&mut content, 0)?;
            this.content = Some(content);
        }
        Ok(this)
    }

    /// Takes a new path, after the folder was renamed.
    pub(crate) fn moved_to(&mut self, folder: &Path) {
        self.path = folder.join(self.path.file_name().unwrap_or_default());
    }

    pub(crate) fn stamp(&self) -> Stamp {
        self.opened
    }

    pub(crate) fn damaged(&self, reason: impl Into<String>) -> StoreError {
        StoreError::damaged(&self.path, reason)
    }

    /// Fails if the file was written to since it was opened. It checks a few times a second, and never if the file is held
    /// in memory.
    pub(crate) fn check_in_use(&self) -> Result<(), StoreError> {
        if self.content.is_some() {
            return Ok(());
        }
        let now = self.opened_at.elapsed().as_millis() as u64;
        let last = self.checked.load(Ordering::Relaxed);
        if now < last + CHECK_EVERY.as_millis() as u64 {
            return Ok(());
        }
        self.checked.store(now, Ordering::Relaxed);
        self.check_unchanged()
    }

    /// Fails if the file was written to since it was opened.
    pub(crate) fn check_unchanged(&self) -> Result<(), StoreError> {
        let metadata = self.file.metadata().map_err(StoreError::io("read", &self.path))?;
        if Stamp::of(&metadata) == self.opened {
            return Ok(());
        }
        Err(self.damaged("it was changed while it was in use"))
    }

    /// Fills `piece` with the bytes from position `at` on.
    pub(crate) fn read_at(&self, piece: &mut [u8], at: u64) -> Result<(), StoreError> {
        if let Some(content) = &self.content {
            let found = content.get(at as usize..at as usize + piece.len());
            let found = found.ok_or_else(|| self.damaged("it is shorter than its index says"))?;
            piece.copy_from_slice(found);
            return Ok(());
        }
        self.file.read_exact_at(piece, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it was cut off while it was in use"),
            _ => StoreError::io("read", &self.path)(error),
        })
    }

    /// A reader of the file from its beginning.
    pub(crate) fn reader(&self) -> BufReader<Positioned<'_>> {
        BufReader::with_capacity(256 << 10, Positioned { file: &self.file, at: 0 })
    }

    /// Compares the file with its SHA-256.
    pub(crate) fn check_hash(&self, expected: Option<&str>) -> Result<(), StoreError> {
        let found = match &self.content {
            Some(content) => hex(&Sha256::digest(content)),
            None => self.sha256().map_err(StoreError::io("read", &self.path))?,
        };
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

/// Reads a file at a position of its own, since the position of the file is shared by all its readers.
pub(crate) struct Positioned<'a> {
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
