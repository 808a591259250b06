//! The keys of documents or records: the places that they were read from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::StoreError;
use super::file::StoreFile;
use super::format::{FileRecord, KEY_BYTES, KEYS};
use super::hashed::HashedFile;
use crate::example::{Key, Unit};

/// The bit beside the number of a source that says that the record is a question.
const QUESTION: u32 = 1 << 31;

/// Writes `keys.bin`.
#[derive(Debug)]
pub(crate) struct KeyWriter {
    file: HashedFile,
    numbers: BTreeMap<Arc<str>, u32>,
    sources: Vec<String>,
}

impl KeyWriter {
    /// Creates the file in `folder`.
    pub(crate) fn create(folder: &Path) -> Result<Self, StoreError> {
        let (numbers, sources) = (BTreeMap::new(), Vec::new());
        Ok(Self { file: HashedFile::create(folder, KEYS)?, numbers, sources })
    }

    /// Adds the key of the next document or record.
    pub(crate) fn push(&mut self, key: &Key) -> Result<(), StoreError> {
        let source = self.source(&key.source)?;
        let unit = match key.unit {
            Unit::Line => 0,
            Unit::Question => QUESTION,
        };
        self.file.write(&(source | unit).to_le_bytes())?;
        self.file.write(&key.record.to_le_bytes())
    }

    fn source(&mut self, source: &Arc<str>) -> Result<u32, StoreError> {
        if let Some(number) = self.numbers.get(source) {
            return Ok(*number);
        }
        let number = u32::try_from(self.sources.len()).ok().filter(|number| *number < QUESTION);
        let number = number.ok_or(StoreError::TooManySources)?;
        self.numbers.insert(Arc::clone(source), number);
        self.sources.push(source.to_string());
        Ok(number)
    }

    /// The manifest entry of the file, and the list of sources.
    pub(crate) fn finish(self) -> Result<(FileRecord, Vec<String>), StoreError> {
        Ok((self.file.finish()?, self.sources))
    }
}

/// Key `number` of `count` keys in `file`; `?` if there is no such key, or it cannot be read.
pub(crate) fn read_key(file: &StoreFile, sources: &[Arc<str>], number: u64, count: u64) -> Key {
    let mut record = [0; KEY_BYTES];
    let read = number < count && file.read_at(&mut record, number * KEY_BYTES as u64).is_ok();
    let found = record.split_first_chunk::<4>().filter(|_| read).and_then(|(source, number)| {
        let source = u32::from_le_bytes(*source);
        let name = Arc::clone(sources.get((source & !QUESTION) as usize)?);
        let number = u64::from_le_bytes(number.try_into().ok()?);
        Some(match source & QUESTION {
            0 => Key::new(name, number),
            _ => Key::question(name, number),
        })
    });
    found.unwrap_or_else(|| Key::new("?", 0))
}
