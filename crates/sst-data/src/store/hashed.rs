//! Writes a file and computes its hash at the same time, for the manifest.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::StoreError;
use super::format::FileRecord;
use crate::hex::hex;

/// A file that is hashed while it is written.
#[derive(Debug)]
pub(crate) struct HashedFile {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    size: u64,
}

impl HashedFile {
    pub(crate) fn create(folder: &Path, name: &str) -> Result<Self, StoreError> {
        let path = folder.join(name);
        let file = File::create_new(&path).map_err(StoreError::io("create", &path))?;
        Ok(Self { path, file: BufWriter::new(file), hash: Sha256::new(), size: 0 })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.file.write_all(bytes).map_err(StoreError::io("write", &self.path))
    }

    pub(crate) fn finish(mut self) -> Result<FileRecord, StoreError> {
        let done = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        done.map_err(StoreError::io("write", &self.path))?;
        Ok(FileRecord { size: self.size, sha256: hex(&self.hash.finalize()) })
    }
}
