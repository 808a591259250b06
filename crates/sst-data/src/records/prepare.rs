//! From files to a store of records: read, check, number the labels, count the tokens, write, once for each set of inputs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::build::Building;
use super::labels::LabelCollector;
use super::parse::Parsed;
use super::store::VERSION;
use super::writer::{Description, RecordWriter};
use super::{Column, RecordStore, RecordsError, column};
use crate::hex::hex;
use crate::ledger::Ledger;
use crate::read::{self, Source, check_regular};
use crate::store::{StoreError, open_or_build, sample};
use crate::tokenize::{Tokenizer, UnknownCount};

/// Text tokenised at once, in bytes. Bounds the memory, and is enough to keep every core busy.
const BATCH_BYTES: usize = 4 << 20;

/// What a store of records is made from.
#[derive(Debug)]
pub struct RecordPreparation<'a> {
    /// The files. Their text field is that of the first column of texts, whatever is set here. Fields for scores and pairs
    /// are columns here, and what is set for them is refused.
    pub source: &'a Source,
    /// The fields that are used.
    pub columns: &'a [Column],
    /// The labels of columns, by the name of the column, in the order of their numbers, such as those of the data that a
    /// model was trained on. The labels of other columns are collected from the files.
    pub labels: &'a BTreeMap<String, Vec<String>>,
    /// How texts are tokenised.
    pub tokenizer: &'a Tokenizer,
    /// Gets the counts of reading and checking, from the store itself when it is there already.
    pub ledger: &'a Ledger,
    /// The folder of stores.
    pub cache: &'a Path,
}

impl RecordPreparation<'_> {
    /// The SHA-256 of all that the store depends on: the format, the columns, the labels that are given, the tokenizer, how
    /// the files are read, and for each file its path as written, its size, its time of change and the first and last
    /// 64 KiB of it.
    ///
    /// # Errors
    /// If a file is not there, or the columns do not go together.
    pub fn fingerprint(&self) -> Result<String, RecordsError> {
        let source = self.source()?;
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| StoreError::damaged(self.cache, error.to_string()))
        };
        let mut hash = Sha256::new();
        hash.update(format!("records {VERSION}\n{}\n", read::VERSION));
        hash.update(json(serde_json::to_string(&source))? + "\n");
        hash.update(json(serde_json::to_string(self.columns))? + "\n");
        hash.update(json(serde_json::to_string(self.labels))? + "\n");
        hash.update(self.tokenizer.fingerprint() + "\n");
        for path in source.files()? {
            check_regular(&path)?;
            hash.update(sample(&path).map_err(StoreError::io("read", &path))?);
        }
        Ok(hex(&hash.finalize()))
    }

    /// The store for these inputs: the one in the cache, or else a new one. Another process that is making it is waited for.
    /// `progress` is told the records and tokens so far. Memory does not grow with the data, except for the labels.
    ///
    /// A value that is missing, empty or of another kind than its column's, and a label that is not among those given, is an
    /// error with file and line; or with [`OnError::Skip`](crate::read::OnError::Skip) the record is left out and counted in the ledger as
    /// `records.missing_field`, `records.empty_text`, `records.bad_value` or `records.unknown_label`. A record with a text
    /// of which the tokenizer leaves nothing is counted as `tokenize.no_tokens`, and spans that begin or end within a
    /// token as `records.spans_within_tokens`.
    ///
    /// # Errors
    /// If a file cannot be read, a value is wrong, the disk is full, or no record is left.
    pub fn prepare(
        &self,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Arc<RecordStore>, RecordsError> {
        let fingerprint = self.fingerprint()?;
        let build = || self.build(&fingerprint, progress);
        let (store, _) = open_or_build(self.cache, &fingerprint, RecordStore::open, build)?;
        self.ledger.merge(store.ledger());
        Ok(Arc::new(store))
    }

    /// The source with the text field of the columns.
    fn source(&self) -> Result<Source, RecordsError> {
        column::check(self.columns)?;
        for name in self.labels.keys() {
            if !self.columns.iter().any(|column| column.name == *name && column.has_labels()) {
                let reason =
                    "are given, but it is no column with labels: leave them out".to_owned();
                return Err(RecordsError::BadLabels { column: name.clone(), reason });
            }
        }
        let first = self.columns.iter().find(|column| column.is_text());
        let text_field = first.map(|column| column.field.clone()).ok_or(RecordsError::NoText)?;
        let Source { score_field, pair_fields, other_fields, .. } = self.source;
        let mut others = score_field.iter().chain(pair_fields).chain(other_fields);
        if let Some(field) = others.next() {
            let reason =
                "it is set as a field of the source: name it as a column instead".to_owned();
            return Err(RecordsError::BadColumn { column: field.clone(), reason });
        }
        Ok(Source { text_field, ..self.source.clone() })
    }

    fn build(
        &self,
        fingerprint: &str,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<RecordStore, RecordsError> {
        // Counted apart, so that the store holds its own counts and no one else's.
        let (ledger, source) = (Ledger::new(), self.source()?);
        let mut labels = BTreeMap::new();
        for column in self.columns.iter().filter(|column| column.has_labels()) {
            let given = self.labels.get(&column.name).map(Vec::as_slice);
            labels.insert(column.name.clone(), LabelCollector::new(&column.name, given)?);
        }
        let mut building = Building {
            columns: self.columns,
            tokenizer: self.tokenizer,
            on_error: source.on_error,
            writer: RecordWriter::create(self.cache, fingerprint)?,
            labels,
            ledger: ledger.clone(),
            unknown: UnknownCount::new(),
        };
        let fields: Vec<Arc<str>> =
            self.columns.iter().map(|column| Arc::from(column.field.as_str())).collect();
        let (mut pending, mut bytes) = (Vec::new(), 0);
        for whole in source.read_fields(&fields, &ledger)? {
            let Some(record) = building.parsed(&whole?)? else { continue };
            bytes += record.values.iter().filter_map(Parsed::text).map(str::len).sum::<usize>();
            pending.push(record);
            if bytes >= BATCH_BYTES {
                building.write(std::mem::take(&mut pending))?;
                bytes = 0;
                let (records, tokens) = building.writer.counts();
                progress(records, tokens);
            }
        }
        building.write(pending)?;
        let (records, tokens) = building.writer.counts();
        progress(records, tokens);
        let Building { writer, labels, unknown, .. } = building;
        if records == 0 {
            self.ledger.merge(&ledger.entries());
            return Err(RecordsError::Empty(source.paths.join(", ")));
        }
        unknown.finish(&ledger);
        Ok(writer.finish(Description {
            fingerprint: fingerprint.to_owned(),
            tokenizer: self.tokenizer.fingerprint(),
            columns: self.columns.to_vec(),
            labels,
            ledger: ledger.entries(),
        })?)
    }
}
