//! Reads Parquet, the format of data sets on the Hugging Face hub. Row groups are read in small batches, and only the
//! used columns are read.

mod column;
mod footer;
mod json;
mod pages;
mod schema;
mod thrift;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{ArrowError, DataType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use super::error::name_fields;
use super::record::{RawField, Reader, Record, Wanted};
use super::{ReadError, TEXT, file};
use crate::example::{Field, Key};
use column::{Column, file as file_in};

/// The number of rows decoded at a time: enough to amortise the decoding, and few enough for long documents.
const BATCH_ROWS: usize = 256;

/// A reader of one document a row. Unused columns are not read. A null value gives no field.
pub(super) struct Parquet {
    name: Arc<str>,
    wanted: Wanted,
    file: File,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    /// The current row group, and the number of the next one. Each is decoded by itself, so that damage in one does
    /// not affect the others.
    group: Option<Group>,
    next_group: usize,
    /// All columns of the file, for the error of a missing one.
    column_names: Vec<String>,
    /// The columns that are read.
    places: Vec<Place>,
    /// The values of the current batch.
    columns: Vec<Column>,
    arrays: Vec<Arc<dyn Array>>,
    /// The number of rows of the batch, the next row in it, and the number of rows of the file before it.
    len: usize,
    next: usize,
    before: u64,
}

/// A row group that is being read.
struct Group {
    batches: ParquetRecordBatchReader,
    /// The row of the file after the last row of the group.
    end: u64,
}

/// A column that is read.
struct Place {
    name: Arc<str>,
    /// The type in the file's schema. Strings are decoded as bytes, so that an invalid value costs only its own row.
    declared: DataType,
    is_text: bool,
    is_used: bool,
}

impl Parquet {
    /// Opens `path`, called `name` in errors.
    pub(super) fn open(path: &Path, name: Arc<str>, mut wanted: Wanted) -> Result<Self, ReadError> {
        let compressed = path.extension().is_some_and(|extension| {
            extension.eq_ignore_ascii_case("gz") || extension.eq_ignore_ascii_case("zst")
        });
        if compressed {
            return Err(ReadError::CompressedParquet { path: name.to_string() });
        }
        let file = file::open(path, &name)?;
        let io = |source| ReadError::Io { path: name.to_string(), source };
        if file.metadata().map_err(io)?.len() == 0 {
            return Err(ReadError::Empty { path: name.to_string() });
        }
        let footer = |reason: String| damaged(&name, "its footer", &reason);
        footer::check_depth(&file).map_err(footer)?;
        let metadata = guarded(|| ParquetMetaDataReader::new().parse_and_finish(&file));
        let metadata = metadata.map_err(footer)?;
        check_rows(&metadata).map_err(footer)?;
        let schema = guarded(|| schema::strings_as_bytes(metadata)).map_err(footer)?;
        let (mut places, mut roots, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for (root, field) in schema.declared.fields().iter().enumerate() {
            if !seen.insert(field.name().as_str()) {
                let what = format!("column `{}` occurs twice in the schema", field.name());
                let reason = format!("{what}: rename or remove one of them");
                return Err(ReadError::Refused { path: name.to_string(), reason });
            }
            let is_used = wanted.uses(field.name());
            if is_used || wanted.keeps(field.name()) {
                roots.push(root);
                places.push(Place {
                    name: Arc::from(field.name().as_str()),
                    declared: field.data_type().clone(),
                    is_text: **field.name() == *wanted.text,
                    is_used,
                });
            } else {
                wanted.found_unused(field.name());
            }
        }
        let column_names =
            schema.declared.fields().iter().map(|field| field.name().clone()).collect();
        let mask = ProjectionMask::roots(schema.metadata.parquet_schema(), roots);
        check_codecs(&name, schema.metadata.metadata(), &mask)?;
        let (metadata, group, next_group) = (schema.metadata, None, 0);
        let (columns, arrays, len, next, before) = (Vec::new(), Vec::new(), 0, 0, 0);
        Ok(Self {
            name,
            wanted,
            file,
            metadata,
            mask,
            group,
            next_group,
            column_names,
            places,
            columns,
            arrays,
            len,
            next,
            before,
        })
    }

    /// Begins the next row group; `None` after the last.
    fn begin_group(&mut self) -> Option<Result<Group, String>> {
        let number = self.next_group;
        let group = self.metadata.metadata().row_groups().get(number)?;
        self.next_group += 1;
        let end = self.before + u64::try_from(group.num_rows()).unwrap_or(0);
        if let Err(reason) = pages::check(&self.file, group, &self.mask) {
            return Some(Err(reason));
        }
        let batches = guarded(|| {
            let file = self.file.try_clone()?;
            let builder =
                ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
            let builder = builder.with_row_groups(vec![number]).with_projection(self.mask.clone());
            builder.with_batch_size(BATCH_ROWS).build()
        });
        Some(batches.map(|batches| Group { batches, end }))
    }

    fn take(&mut self, batch: &RecordBatch) {
        self.len = batch.num_rows();
        self.columns = batch.columns().iter().map(Column::new).collect();
        self.arrays = batch.columns().to_vec();
    }

    fn row(&self) -> Result<Record, ReadError> {
        let number = self.before + self.next as u64 + 1;
        let key = || Key::new(self.name.clone(), number);
        let (mut fields, mut whole, mut text) = (BTreeMap::new(), Vec::new(), None);
        for ((place, column), array) in self.places.iter().zip(&self.columns).zip(&self.arrays) {
            let invalid = |offset| ReadError::InvalidValue {
                key: key(),
                field: place.name.to_string(),
                offset,
            };
            let is_file = place.is_text && self.wanted.takes_files;
            let value = match place.is_used {
                true if is_file => file_in(array, &place.declared, self.next).map_err(invalid)?,
                true => column.value(self.next).map_err(invalid)?,
                false => None,
            };
            match value {
                Some(found @ Field::Text(_)) if place.is_text => text = Some(found),
                Some(found @ Field::Bytes(_)) if is_file => text = Some(found),
                _ if place.is_text => {
                    let (field, found) = (place.name.to_string(), column.kind(self.next));
                    return Err(ReadError::NotText { key: key(), field, found });
                }
                Some(value) => {
                    fields.insert(place.name.clone(), value);
                }
                None => {}
            }
            if self.wanted.keeps(&place.name) {
                whole.push(match place.is_text {
                    true => RawField::text(place.name.clone()),
                    false => self.whole_value(place, array, &key()).map_err(invalid)?,
                });
            }
        }
        let Some(text) = text else {
            let found = name_fields(self.column_names.iter().map(String::as_str));
            return Err(ReadError::MissingField {
                key: key(),
                field: self.wanted.text.to_string(),
                found,
            });
        };
        fields.insert(Arc::from(TEXT), text);
        Ok(Record { number, fields, whole })
    }

    /// A value of any type as JSON. Differences are counted. The error is the offset of the first byte of a string
    /// that is not UTF-8.
    fn whole_value(
        &self,
        place: &Place,
        array: &Arc<dyn Array>,
        key: &Key,
    ) -> Result<RawField, usize> {
        let mut value = String::new();
        let conversion = json::write(&mut value, array, &place.declared, self.next)?;
        let ledger = &self.wanted.ledger;
        ledger.add("fields.as_text", u64::from(conversion.as_text), Some(key));
        ledger.add("fields.not_finite", u64::from(conversion.not_finite), Some(key));
        ledger.add("fields.lost", u64::from(conversion.lost), Some(key));
        Ok(RawField::new(&place.name, &value))
    }

    /// The error for a row group that cannot be decoded. Its remaining rows are lost, and counted.
    fn broken(&mut self, reason: &str) -> ReadError {
        let groups = self.metadata.metadata().row_groups();
        let rows = |group: &RowGroupMetaData| u64::try_from(group.num_rows()).unwrap_or(0);
        let end: u64 = groups.iter().take(self.next_group).map(rows).sum();
        let (first, last) = (self.before + 1, end);
        let key = Key::new(self.name.clone(), first);
        self.wanted.ledger.add("read.lost_rows", last.saturating_sub(self.before), Some(&key));
        (self.group, self.before) = (None, end);
        let reason = format!("rows {first} to {last}: {reason}");
        ReadError::DamagedRows { path: self.name.to_string(), key, reason }
    }

    /// Reads the next batch of the file; `None` at its end.
    fn batch(&mut self) -> Option<Result<(), ReadError>> {
        self.before += self.len as u64;
        (self.next, self.len) = (0, 0);
        let mut group = match self.group.take() {
            Some(group) => group,
            None => match self.begin_group()? {
                Ok(group) => group,
                Err(reason) => return Some(Err(self.broken(&reason))),
            },
        };
        let batch = guarded(|| group.batches.next().transpose().map_err(|error: ArrowError| error));
        match batch {
            Ok(Some(batch)) if self.before + batch.num_rows() as u64 <= group.end => {
                self.take(&batch);
                self.group = Some(group);
                Some(Ok(()))
            }
            Ok(None) if self.before == group.end => Some(Ok(())),
            Ok(_) => Some(Err(self.broken("the number of rows differs from that in the footer"))),
            Err(reason) => Some(Err(self.broken(&reason))),
        }
    }
}

impl Reader for Parquet {
    fn next(&mut self) -> Option<Result<Record, ReadError>> {
        while self.next == self.len {
            if let Err(error) = self.batch()? {
                return Some(Err(error));
            }
        }
        let row = self.row();
        self.next += 1;
        Some(row)
    }

    fn names(&self) -> Vec<String> {
        self.column_names.clone()
    }
}

/// Calls the decoder and catches its panics. It panics on some damaged files, for example if row counts overflow.
fn guarded<T, E: Display>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the decoder panicked on it".to_owned()),
    }
}

/// Checks that the row groups together have as many rows as the file states.
fn check_rows(metadata: &ParquetMetaData) -> Result<(), String> {
    let count = |rows: i64| u64::try_from(rows).ok();
    let total = metadata.row_groups().iter().try_fold(0_u64, |sum, group| {
        count(group.num_rows()).and_then(|rows| sum.checked_add(rows))
    });
    match (total, count(metadata.file_metadata().num_rows())) {
        (Some(total), Some(said)) if total == said => Ok(()),
        _ => Err("the row counts contradict each other".to_owned()),
    }
}

/// Checks that the columns to read are compressed in a supported way.
fn check_codecs(
    name: &str,
    metadata: &ParquetMetaData,
    mask: &ProjectionMask,
) -> Result<(), ReadError> {
    let columns = metadata.row_groups().iter().flat_map(|group| group.columns().iter().enumerate());
    for (leaf, column) in columns.filter(|(leaf, _)| mask.leaf_included(*leaf)) {
        if column.compression() == Compression::LZO {
            let column = metadata.file_metadata().schema_descr().column(leaf).path().string();
            let reason =
                format!("its column `{column}` is packed with LZO: write it again with zstd");
            return Err(ReadError::Refused { path: name.to_owned(), reason });
        }
    }
    Ok(())
}

fn damaged(name: &str, place: &str, reason: &str) -> ReadError {
    ReadError::Damaged { path: name.to_owned(), reason: format!("{place}: {reason}") }
}
