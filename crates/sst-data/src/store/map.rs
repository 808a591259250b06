//! A file mapped into memory, read-only.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use super::StoreError;

/// The bytes of a file. An empty file has no mapping.
#[derive(Debug)]
pub(super) struct MappedFile(Option<Mmap>);

impl MappedFile {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let size = file.metadata().map_err(StoreError::io("read the size of", path))?.len();
        if size == 0 {
            return Ok(Self(None));
        }
        // SAFETY: a mapping is sound while nobody changes the file under it. Files of a store are
        // written once, in a folder no one else knows, and afterwards only renamed or unlinked,
        // which leaves the mapped bytes as they are.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) };
        Ok(Self(Some(map.map_err(StoreError::io("map", path))?)))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}
