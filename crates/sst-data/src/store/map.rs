//! A file mapped into memory, read-only.

use std::path::Path;

use filebuffer::FileBuffer;

use super::StoreError;

/// The bytes of a file.
///
/// Files of a store are written once, in a folder no one else knows, and afterwards only renamed or
/// unlinked, which leaves the mapped bytes as they are.
#[derive(Debug)]
pub(super) struct MappedFile(FileBuffer);

impl MappedFile {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self(FileBuffer::open(path).map_err(StoreError::io("open", path))?))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
