//! Reads a picture store by position.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::Picture;
use super::format::{INDEX, INDEX_BYTES, Manifest, PIXELS, Place, RECORDS, StoredRecord};
use crate::example::Key;
use crate::ledger::Entry;
use crate::records::LabelTable;
use crate::store::{MANIFEST, Sealed, StoreError, StoreFile, check_large, hash_of_contents};

/// Files of up to this many bytes are held in memory, and larger ones are read by position.
const IN_MEMORY: u64 = 64 << 20;

/// Pictures of one size or of similar sizes, open for reading. They are numbered from 0.
#[derive(Debug)]
pub struct PictureStore {
    folder: PathBuf,
    manifest: Manifest,
    pixels: StoreFile,
    records: StoreFile,
    index: StoreFile,
}

/// What stands beside a picture in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureRecord {
    /// The place that it was read from.
    pub key: Key,
    /// The number of its label in [`PictureStore::labels`].
    pub label: Option<u32>,
    /// Its captions, for each of [`PictureStore::caption_fields`] a list. At least one of the lists is not empty.
    pub captions: Vec<Vec<String>>,
}

impl PictureStore {
    /// Opens the store in `folder` and compares every file with its hash; a large file of pixels only the first time.
    ///
    /// # Errors
    /// If it does not exist, has another version of the format, or a file does not match the manifest.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(MANIFEST);
        let json = std::fs::read(&path).map_err(StoreError::io("read", &path))?;
        let manifest =
            Manifest::read(&json).map_err(|reason| StoreError::damaged(&path, reason))?;
        let load = |name: &str| -> Result<StoreFile, StoreError> {
            let file = StoreFile::load(&folder.join(name), IN_MEMORY)?;
            let record = manifest.files.get(name);
            check_large(folder, name, &file, record.map(|record| record.sha256.as_str()))?;
            Ok(file)
        };
        let (pixels, records, index) = (load(PIXELS)?, load(RECORDS)?, load(INDEX)?);
        let (have, should) =
            (index.stamp().size, manifest.num_pictures.checked_mul(INDEX_BYTES as u64));
        if Some(have) != should {
            let should = should.unwrap_or(0);
            return Err(index.damaged(format!("it has {have} bytes and should have {should}")));
        }
        Ok(Self { folder: folder.to_owned(), manifest, pixels, records, index })
    }

    /// Sets the new path after the folder was renamed.
    pub(super) fn moved_to(&mut self, folder: &Path) {
        folder.clone_into(&mut self.folder);
        let files = [&mut self.pixels, &mut self.records, &mut self.index];
        files.into_iter().for_each(|file| file.moved_to(folder));
    }

    /// The number of pictures.
    pub fn num_pictures(&self) -> u64 {
        self.manifest.num_pictures
    }

    /// The folder of the store.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The fingerprint of the inputs of the store.
    pub fn fingerprint(&self) -> &str {
        &self.manifest.fingerprint
    }

    /// The fields of captions, in the order in which they were given.
    pub fn caption_fields(&self) -> &[String] {
        &self.manifest.caption_fields
    }

    /// The labels; `None` if they were not read.
    pub fn labels(&self) -> Option<&LabelTable> {
        self.manifest.labels.as_ref()
    }

    /// The ledger of reading and decoding, from when the store was built.
    pub fn ledger(&self) -> &BTreeMap<String, Entry> {
        &self.manifest.ledger
    }

    /// The hash of the contents: the pixels, and what stands beside them. A copy of the same data at another place has
    /// another hash, because records name their files.
    pub fn contents(&self) -> String {
        let Manifest { files, labels, label_numbers, .. } = &self.manifest;
        hash_of_contents(files, &serde_json::json!([labels, label_numbers]).to_string())
    }

    /// How many pictures have a first caption that an earlier picture has, too.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn repeated_captions(&self) -> Result<u64, StoreError> {
        let mut seen = HashSet::new();
        let mut repeated = 0;
        for number in 0..self.num_pictures() {
            let captions = self.record(number)?.captions;
            let Some(caption) = captions.iter().find_map(|captions| captions.first()) else {
                continue;
            };
            repeated += u64::from(!seen.insert(Sha256::digest(caption.as_bytes())));
        }
        Ok(repeated)
    }

    /// The width and height of picture `number`.
    ///
    /// # Errors
    /// If there is no such picture, or the store cannot be read.
    pub fn size(&self, number: u64) -> Result<(u32, u32), StoreError> {
        let place = self.place(number)?;
        Ok((place.width, place.height))
    }

    /// Picture `number`.
    ///
    /// # Errors
    /// If there is no such picture, or the store cannot be read.
    pub fn picture(&self, number: u64) -> Result<Picture, StoreError> {
        self.pixels.check_in_use()?;
        let place = self.place(number)?;
        let begin = self.before(number)?.map_or(0, |before| before.pixels_end);
        let length = place.pixels_end.checked_sub(begin);
        let size = 3 * u64::from(place.width) * u64::from(place.height);
        let Some(length) =
            length.filter(|length| *length == size && size <= self.pixels.stamp().size)
        else {
            return Err(self.index.damaged(format!("the place of picture {number} is not valid")));
        };
        let mut pixels = vec![0; length as usize];
        self.pixels.read_at(&mut pixels, begin)?;
        let empty = || self.index.damaged(format!("picture {number} has no pixels"));
        Picture::new(place.width, place.height, pixels).ok_or_else(empty)
    }

    /// What stands beside picture `number`.
    ///
    /// # Errors
    /// If there is no such picture, or the store cannot be read.
    pub fn record(&self, number: u64) -> Result<PictureRecord, StoreError> {
        let end = self.place(number)?.record_end;
        let begin = self.before(number)?.map_or(0, |before| before.record_end);
        let length = end.checked_sub(begin).filter(|length| *length <= self.records.stamp().size);
        let length = length.ok_or_else(|| self.index.damaged("its ends do not grow"))?;
        let mut bytes = vec![0; length as usize];
        self.records.read_at(&mut bytes, begin)?;
        let damaged = |reason: String| self.records.damaged(format!("record {number}: {reason}"));
        let record: StoredRecord =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let label = record.label.map(|read| {
            let label = self.manifest.label_numbers.get(read as usize).copied();
            label.ok_or_else(|| damaged(format!("there is no label {read}")))
        });
        let key = Key::new(record.source, record.record);
        Ok(PictureRecord { key, label: label.transpose()?, captions: record.captions })
    }

    fn place(&self, number: u64) -> Result<Place, StoreError> {
        if number >= self.num_pictures() {
            let have = self.num_pictures();
            return Err(self
                .index
                .damaged(format!("it has {have} pictures, not a number {number}")));
        }
        let mut bytes = [0; INDEX_BYTES];
        self.index.read_at(&mut bytes, number * INDEX_BYTES as u64)?;
        Ok(Place::of_bytes(&bytes))
    }

    /// The place of the picture before `number`.
    fn before(&self, number: u64) -> Result<Option<Place>, StoreError> {
        number.checked_sub(1).map(|before| self.place(before)).transpose()
    }
}
