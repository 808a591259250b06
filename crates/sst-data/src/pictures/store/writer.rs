//! Writes a picture store in a temporary folder, which is then renamed to its place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::{Picture, PictureError};
use super::format::{INDEX, Manifest, PIXELS, Place, RECORDS, StoredRecord};
use super::reader::PictureStore;
use crate::atomic;
use crate::store::{HashedFile, MANIFEST, Sealed, StoreError, TemporaryFolder, remember_verified};

/// Writes pictures into a store. If it is dropped before [`PictureWriter::finish`], nothing is left on disk.
pub(super) struct PictureWriter {
    temporary: TemporaryFolder,
    place: PathBuf,
    pixels: HashedFile,
    records: HashedFile,
    index: HashedFile,
    num_pictures: u64,
    pixels_end: u64,
    record_end: u64,
}

impl PictureWriter {
    /// Starts building `cache/fingerprint`.
    pub(super) fn create(cache: &Path, fingerprint: &str) -> Result<Self, StoreError> {
        let temporary = TemporaryFolder::create(cache, fingerprint)?;
        Ok(Self {
            pixels: HashedFile::create(&temporary.path, PIXELS)?,
            records: HashedFile::create(&temporary.path, RECORDS)?,
            index: HashedFile::create(&temporary.path, INDEX)?,
            place: cache.join(fingerprint),
            temporary,
            num_pictures: 0,
            pixels_end: 0,
            record_end: 0,
        })
    }

    pub(super) fn push(
        &mut self,
        picture: &Picture,
        record: &StoredRecord,
    ) -> Result<(), PictureError> {
        let json = serde_json::to_vec(record)
            .map_err(|error| StoreError::damaged(&self.temporary.path, error.to_string()))?;
        self.pixels.write(picture.pixels())?;
        self.records.write(&json)?;
        self.pixels_end += picture.pixels().len() as u64;
        self.record_end += json.len() as u64;
        let place = Place {
            pixels_end: self.pixels_end,
            record_end: self.record_end,
            width: picture.width(),
            height: picture.height(),
        };
        self.index.write(&place.to_bytes())?;
        self.num_pictures += 1;
        Ok(())
    }

    /// The number of pictures and of bytes of pixels so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.num_pictures, self.pixels_end)
    }

    /// Syncs the files, writes the manifest and moves the store to its place. The files and the number of pictures of
    /// `manifest` are filled in here.
    pub(super) fn finish(self, mut manifest: Manifest) -> Result<PictureStore, StoreError> {
        let mut files = BTreeMap::new();
        for (name, file) in [(PIXELS, self.pixels), (RECORDS, self.records), (INDEX, self.index)] {
            files.insert(name.to_owned(), file.finish()?);
        }
        let folder = &self.temporary.path;
        (manifest.files, manifest.num_pictures) = (files, self.num_pictures);
        let path = folder.join(MANIFEST);
        let records = manifest.files.clone();
        let json = manifest.sealed();
        let json = json.map_err(|error| StoreError::damaged(&path, error.to_string()))?;
        atomic::write(&path, &json).map_err(StoreError::io("write", &path))?;
        // The files were hashed while they were written.
        for (name, record) in &records {
            remember_verified(folder, name, record)?;
        }
        // The store is opened before the rename, so other builders cannot affect it.
        let mut store = PictureStore::open(folder)?;
        self.temporary.publish(&self.place, |place| PictureStore::open(place).is_ok())?;
        store.moved_to(&self.place);
        Ok(store)
    }
}
