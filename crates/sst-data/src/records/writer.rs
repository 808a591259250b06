//! Writes a store of records in a temporary folder, which is then renamed to its place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::labels::LabelCollector;
use super::store::{LENGTHS, Manifest, RECORDS, RecordStore, VERSION};
use super::value::{Value, write};
use super::{Column, LabelTable};
use crate::atomic;
use crate::example::Key;
use crate::ledger::Entry;
use crate::store::{
    ENDS, HashedFile, KEYS, KeyWriter, MANIFEST, Sealed, StoreError, TemporaryFolder,
};

/// Writes records into a store. If it is dropped before [`RecordWriter::finish`], nothing is left on disk.
pub(super) struct RecordWriter {
    temporary: TemporaryFolder,
    place: PathBuf,
    records: HashedFile,
    ends: HashedFile,
    lengths: HashedFile,
    keys: KeyWriter,
    num_records: u64,
    num_bytes: u64,
    num_tokens: u64,
    bytes: Vec<u8>,
}

/// Further contents of the manifest.
pub(super) struct Description {
    pub(super) fingerprint: String,
    pub(super) tokenizer: String,
    pub(super) columns: Vec<Column>,
    pub(super) labels: BTreeMap<String, LabelCollector>,
    pub(super) ledger: BTreeMap<String, Entry>,
}

impl RecordWriter {
    /// Starts building `cache/fingerprint`.
    pub(super) fn create(cache: &Path, fingerprint: &str) -> Result<Self, StoreError> {
        let temporary = TemporaryFolder::create(cache, fingerprint)?;
        Ok(Self {
            records: HashedFile::create(&temporary.path, RECORDS)?,
            ends: HashedFile::create(&temporary.path, ENDS)?,
            lengths: HashedFile::create(&temporary.path, LENGTHS)?,
            keys: KeyWriter::create(&temporary.path)?,
            place: cache.join(fingerprint),
            temporary,
            num_records: 0,
            num_bytes: 0,
            num_tokens: 0,
            bytes: Vec::new(),
        })
    }

    /// Adds a record. `lengths` holds the number of tokens of each text.
    pub(super) fn push(
        &mut self,
        key: &Key,
        values: &[Value],
        lengths: &[u32],
    ) -> Result<(), StoreError> {
        self.bytes.clear();
        values.iter().for_each(|value| write(&mut self.bytes, value));
        self.records.write(&self.bytes)?;
        self.num_bytes += self.bytes.len() as u64;
        self.ends.write(&self.num_bytes.to_le_bytes())?;
        for length in lengths {
            self.lengths.write(&length.to_le_bytes())?;
            self.num_tokens += u64::from(*length);
        }
        self.keys.push(key)?;
        self.num_records += 1;
        Ok(())
    }

    /// The number of records and of the tokens of their texts so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.num_records, self.num_tokens)
    }

    /// Syncs the files, writes the manifest and moves the store to its place.
    pub(super) fn finish(self, description: Description) -> Result<RecordStore, StoreError> {
        let Description { fingerprint, tokenizer, columns, labels, ledger } = description;
        let (keys, sources) = self.keys.finish()?;
        let mut files = BTreeMap::from([(KEYS.to_owned(), keys)]);
        for (name, file) in [(RECORDS, self.records), (ENDS, self.ends), (LENGTHS, self.lengths)] {
            files.insert(name.to_owned(), file.finish()?);
        }
        let mut numbers = BTreeMap::new();
        let mut tables: BTreeMap<String, LabelTable> = BTreeMap::new();
        for (column, collector) in labels {
            let (table, finals) = collector.finish();
            tables.insert(column.clone(), table);
            numbers.insert(column, finals);
        }
        let manifest = Manifest {
            version: VERSION,
            fingerprint,
            tokenizer,
            columns,
            labels: tables,
            numbers,
            num_records: self.num_records,
            sources,
            ledger,
            files,
            seal: String::new(),
        };
        let path = self.temporary.path.join(MANIFEST);
        let json = manifest.sealed();
        let json = json.map_err(|error| StoreError::damaged(&path, error.to_string()))?;
        atomic::write(&path, &json).map_err(StoreError::io("write", &path))?;
        // The store is opened before the rename, so other builders cannot affect it.
        let mut store = RecordStore::open(&self.temporary.path)?;
        self.temporary.publish(&self.place, |place| RecordStore::open(place).is_ok())?;
        store.moved_to(&self.place);
        Ok(store)
    }
}
