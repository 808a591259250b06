//! Prepares a store of records from files: reads, checks, numbers the labels, counts the tokens and writes, once for
//! each set of inputs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::build::Building;
use super::labels::LabelCollector;
use super::parse::Parsed;
use super::store::VERSION;
use super::writer::{Description, RecordWriter};
use super::{Column, ColumnError, RecordStore, RecordsError, column};
use crate::example::{Key, Unit};
use crate::hex::hex;
use crate::ledger::Ledger;
use crate::read::{self, Format, Source, check_regular, describe_id, name_fields};
use crate::store::{StoreError, open_or_build, sample};
use crate::tokenize::{Tokenizer, UnknownCount};

/// The number of bytes of text that are tokenized at once. It bounds the memory, and is enough to keep every core
/// busy.
const BATCH_BYTES: usize = 4 << 20;

/// The inputs of a store of records.
#[derive(Debug)]
pub struct RecordPreparation<'a> {
    /// The source files. The first text column decides the text field, whatever is set here. Score fields and pair
    /// fields must be columns instead, and are refused here.
    pub source: &'a Source,
    /// The columns: the fields that are used.
    pub columns: &'a [Column],
    /// Given tables of labels by the name of the column, in the order of their numbers, such as those of the data that
    /// a model was trained on. The labels of other columns are collected from the files.
    pub labels: &'a BTreeMap<String, Vec<String>>,
    /// The tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The ledger that gets the counts of reading and checking. If the store exists already, they come from the store.
    pub ledger: &'a Ledger,
    /// The folder that contains the stores.
    pub cache: &'a Path,
}

impl RecordPreparation<'_> {
    /// The SHA-256 of everything that the store depends on: the format, the columns, the given labels, the tokenizer,
    /// how the files are read, and for each file its path as written, its size, its time of change and its first and
    /// last 64 KiB.
    ///
    /// # Errors
    /// If a file does not exist, or the columns are not compatible.
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

    /// The store for these inputs, from the cache or newly built. If another process is building it, this waits.
    /// `progress` is called with the numbers of records and tokens so far. Memory does not grow with the data, except
    /// for the labels.
    ///
    /// A value that is missing, empty or of another kind than its column, or a label that is not in a given table, is
    /// an error with file and line. With [`OnError::Skip`](crate::read::OnError::Skip) the record is skipped instead
    /// and counted in the ledger as `records.missing_field`, `records.empty_text`, `records.bad_value`,
    /// `records.misplaced_spans` (an answer that is not where it says), `records.overlapping_entities` or
    /// `records.unknown_label`. A record with a text that has no tokens is counted as `tokenize.no_tokens`, spans
    /// that begin or end within a token as `records.spans_within_tokens`, and entities whose first token is also the
    /// last one of the entity before as `records.entities_sharing_tokens`.
    ///
    /// # Errors
    /// If a file cannot be read, a value is not valid, the disk is full, or no record is left.
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

    /// The source with the text field of the first text column.
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
        // The store gets a ledger of its own, so that its counts include nothing else.
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
            let parsed = building.parsed(&whole?).map_err(|error| with_fields(&source, error));
            let Some(record) = parsed.map_err(|error| with_id(&source, error))? else { continue };
            bytes += record.values.iter().filter_map(Parsed::text).map(str::len).sum::<usize>();
            pending.push(record);
            if bytes >= BATCH_BYTES {
                let written = building.write(std::mem::take(&mut pending));
                written.map_err(|error| with_id(&source, error))?;
                bytes = 0;
                let (records, tokens) = building.writer.counts();
                progress(records, tokens);
            }
        }
        building.write(pending).map_err(|error| with_id(&source, error))?;
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

/// Adds to the error of a question which id it has. The questions are read again.
fn with_id(source: &Source, mut error: RecordsError) -> RecordsError {
    if let RecordsError::Column(
        ColumnError::BadValue { key, reason, .. }
        | ColumnError::MisplacedSpan { key, reason, .. }
        | ColumnError::OverlappingEntities { key, reason, .. },
    ) = &mut error
        && key.unit == Unit::Question
    {
        reason.push_str(&describe_id(id_of(source, key).as_deref()));
    }
    error
}

/// The id of the question at `key`, as it is written in the file.
fn id_of(source: &Source, key: &Key) -> Option<String> {
    const ID: &str = "id";
    let records = source.read_fields(&[Arc::from(ID)], &Ledger::new()).ok()?;
    let record = records.flatten().find(|record| record.example.key == *key)?;
    let id = record.fields.iter().find(|field| *field.name == *ID && !field.is_text)?;
    Some(id.value().to_owned())
}

/// Adds to the error of a record without a field which fields it has. They are read again, all of them.
fn with_fields(source: &Source, error: RecordsError) -> RecordsError {
    let RecordsError::Column(ColumnError::NoField { key, field, setting, .. }) = error else {
        return error;
    };
    let format = source.format.or_else(|| Format::of(Path::new(&*key.source)));
    if let Some(Format::Text | Format::Paragraphs) = format {
        let (found, advice) = (
            ", because a text file has no fields".to_owned(),
            "write the records to jsonl, csv, tsv or parquet",
        );
        return ColumnError::NoField { key, field, found, advice, setting: None }.into();
    }
    let records = source.read_all_fields(&Ledger::new()).ok().into_iter().flatten();
    let record = records.flatten().find(|record| record.example.key == key);
    let fields = record.map_or_else(Vec::new, |record| record.fields);
    if fields.iter().any(|found| *found.name == *field) {
        return ColumnError::Missing { key, field, setting }.into();
    }
    let found = format!(" (it has {})", name_fields(fields.iter().map(|found| &*found.name)));
    ColumnError::NoField { key, field, found, advice: "choose another field", setting }.into()
}
