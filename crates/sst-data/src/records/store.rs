//! Reads a store of records by position.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::value::{StoredSpan, Value, ValueReader};
use super::{Column, ColumnKind, LabelTable};
use crate::example::Key;
use crate::ledger::Entry;
use crate::store::{
    END_BYTES, ENDS, FileRecord, KEY_BYTES, KEYS, MANIFEST, Sealed, StoreError, StoreFile,
    hash_of_contents, read_key,
};

/// The version of the format. It is raised whenever a byte of the files or its meaning changes, so that older stores
/// are prepared again.
pub(super) const VERSION: u32 = 4;

pub(super) const RECORDS: &str = "records.bin";
pub(super) const LENGTHS: &str = "lengths.bin";

/// The bytes of one length in `lengths.bin`.
pub(super) const LENGTH_BYTES: usize = 4;

/// Files of up to this many bytes are held in memory, and larger ones are read by position.
const IN_MEMORY: u64 = 64 << 20;

/// The contents of `manifest.json`. It is written last, so a folder with a manifest is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) version: u32,
    pub(super) fingerprint: String,
    pub(super) tokenizer: String,
    pub(super) columns: Vec<Column>,
    /// The label table of each column with labels.
    pub(super) labels: BTreeMap<String, LabelTable>,
    /// For each column with labels, the number in its table for each number in `records.bin`, where labels are
    /// numbered in the order in which they were read.
    pub(super) numbers: BTreeMap<String, Vec<u32>>,
    pub(super) num_records: u64,
    pub(super) sources: Vec<String>,
    pub(super) ledger: BTreeMap<String, Entry>,
    pub(super) files: BTreeMap<String, FileRecord>,
    pub(super) seal: String,
}

impl Sealed for Manifest {
    const VERSION: u32 = VERSION;

    fn seal(&mut self) -> &mut String {
        &mut self.seal
    }
}

/// Prepared records, open for reading. Records are numbered from 0.
#[derive(Debug)]
pub struct RecordStore {
    folder: PathBuf,
    manifest: Manifest,
    sources: Vec<Arc<str>>,
    records: StoreFile,
    ends: StoreFile,
    lengths: StoreFile,
    keys: StoreFile,
    num_texts: usize,
}

impl RecordStore {
    /// Opens the store in `folder` and compares every file with its hash.
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
            file.check_hash(manifest.files.get(name).map(|record| record.sha256.as_str()))?;
            Ok(file)
        };
        let num_texts = manifest.columns.iter().filter(|column| column.is_text()).count();
        let store = Self {
            folder: folder.to_path_buf(),
            sources: manifest.sources.iter().map(|s| Arc::from(s.as_str())).collect(),
            records: load(RECORDS)?,
            ends: load(ENDS)?,
            lengths: load(LENGTHS)?,
            keys: load(KEYS)?,
            num_texts,
            manifest,
        };
        let count = store.manifest.num_records;
        let expected = [
            (&store.ends, count.checked_mul(END_BYTES as u64)),
            (&store.keys, count.checked_mul(KEY_BYTES as u64)),
            (&store.lengths, count.checked_mul((num_texts * LENGTH_BYTES) as u64)),
        ];
        for (file, size) in expected {
            let have = file.stamp().size;
            if Some(have) != size {
                let should = size.unwrap_or(0);
                return Err(file.damaged(format!("it has {have} bytes and should have {should}")));
            }
        }
        Ok(store)
    }

    /// Sets the new path after the folder was renamed.
    pub(super) fn moved_to(&mut self, folder: &Path) {
        folder.clone_into(&mut self.folder);
        let files = [&mut self.records, &mut self.ends, &mut self.lengths, &mut self.keys];
        files.into_iter().for_each(|file| file.moved_to(folder));
    }

    /// The number of records.
    pub fn num_records(&self) -> u64 {
        self.manifest.num_records
    }

    /// The columns, in the order in which they were given.
    pub fn columns(&self) -> &[Column] {
        &self.manifest.columns
    }

    /// The labels of `column`; `None` if there is no such column or its values have no classes.
    pub fn labels(&self, column: &str) -> Option<&LabelTable> {
        self.manifest.labels.get(column)
    }

    /// The fingerprint of the inputs of the store.
    pub fn fingerprint(&self) -> &str {
        &self.manifest.fingerprint
    }

    /// The hash of the values of all records, labels included. Unlike [`RecordStore::fingerprint`], it does not depend on
    /// the places of files.
    pub fn contents(&self) -> String {
        let Manifest { files, labels, numbers, .. } = &self.manifest;
        hash_of_contents(files, &serde_json::json!([labels, numbers]).to_string())
    }

    /// The fingerprint of the tokenizer that lengths and spans were computed with.
    pub fn tokenizer(&self) -> &str {
        &self.manifest.tokenizer
    }

    /// The ledger of reading and checking, from when the store was built.
    pub fn ledger(&self) -> &BTreeMap<String, Entry> {
        &self.manifest.ledger
    }

    /// The place that record `number` was read from; `?` if there is no such record, or it cannot be read.
    pub fn key(&self, number: u64) -> Key {
        read_key(&self.keys, &self.sources, number, self.num_records())
    }

    /// The number of tokens of each text of record `number`, in the order of the columns. The numbers are 0 if there
    /// is no such record or it cannot be read, which is an error when the record itself is requested.
    pub fn text_lengths(&self, number: u64) -> Vec<usize> {
        let width = self.num_texts * LENGTH_BYTES;
        let mut bytes = vec![0; width];
        if number < self.num_records()
            && self.lengths.read_at(&mut bytes, number * width as u64).is_err()
        {
            bytes.fill(0);
        }
        let (lengths, _) = bytes.as_chunks::<LENGTH_BYTES>();
        lengths.iter().map(|bytes| u32::from_le_bytes(*bytes) as usize).collect()
    }

    /// The values of record `number`, one for each column. Labels have the numbers of their tables.
    pub(super) fn values(&self, number: u64) -> Result<Vec<Value>, StoreError> {
        self.records.check_in_use()?;
        let end = |number: u64| -> Result<u64, StoreError> {
            let mut bytes = [0; END_BYTES];
            self.ends.read_at(&mut bytes, number * END_BYTES as u64)?;
            Ok(u64::from_le_bytes(bytes))
        };
        let begin = number.checked_sub(1).map_or(Ok(0), end)?;
        let length = end(number)?.checked_sub(begin);
        let length = length.ok_or_else(|| self.ends.damaged("its ends do not grow"))?;
        let mut bytes = vec![0; length as usize];
        self.records.read_at(&mut bytes, begin)?;
        let mut reader = ValueReader::new(&bytes);
        let values = self.manifest.columns.iter().map(|column| self.value(column, &mut reader));
        let values: Option<Vec<Value>> = values.collect();
        let damaged = || self.records.damaged(format!("record {number} cannot be decoded"));
        values.filter(|_| reader.is_done()).ok_or_else(damaged)
    }

    fn value(&self, column: &Column, reader: &mut ValueReader<'_>) -> Option<Value> {
        let numbers = self.manifest.numbers.get(&column.name);
        let label = |read: u32| numbers?.get(read as usize).copied();
        Some(match column.kind {
            ColumnKind::Text | ColumnKind::SecondText { .. } => Value::Text(reader.text()?),
            ColumnKind::Label => Value::Label(label(reader.label()?)?),
            ColumnKind::Labels => {
                let mut labels: Vec<u32> =
                    reader.labels()?.into_iter().map(label).collect::<Option<_>>()?;
                labels.sort_unstable();
                labels.dedup();
                Value::Labels(labels)
            }
            ColumnKind::Number => Value::Number(reader.real()?),
            ColumnKind::Spans { .. } | ColumnKind::Entities { .. } => {
                let span = |span: StoredSpan| match span.label {
                    Some(read) => Some(StoredSpan { label: Some(label(read)?), ..span }),
                    None => Some(span),
                };
                Value::Spans(reader.spans()?.into_iter().map(span).collect::<Option<_>>()?)
            }
        })
    }
}
