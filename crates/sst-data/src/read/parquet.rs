//! Parquet, as the Hugging Face hub keeps its data sets: row groups are read in small batches.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{ArrowError, DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;

use super::error::name_fields;
use super::{ReadError, Record, TEXT};
use crate::example::{Field, Key};

/// Rows decoded at a time: enough to amortise the decoding, few enough for long documents.
const BATCH_ROWS: usize = 256;

/// One document a row. Columns of text, integers, booleans (as 1 and 0) and reals are kept, nulls
/// among them left out; lists, structs, dates and the like are not even read.
pub(super) struct Parquet {
    name: Arc<str>,
    text_field: String,
    batches: ParquetRecordBatchReader,
    /// The rows that the footer promises.
    num_rows: u64,
    /// All columns of the file, for the error of a missing one.
    column_names: Vec<String>,
    columns: Columns,
    /// The next row within `columns`, and how many rows came before it.
    next: usize,
    before: u64,
}

/// One batch, each column in the widest type of its kind.
#[derive(Default)]
struct Columns {
    len: usize,
    text: Option<Column>,
    others: Vec<(Arc<str>, Column)>,
}

enum Column {
    /// UTF-8 or plain bytes (as old Spark writes strings).
    Bytes(Arc<dyn Array>),
    /// The same as places in a list of values; none for a null.
    Dictionary(Arc<dyn Array>, Vec<Option<usize>>),
    Int(Int64Array),
    Unsigned(Arc<dyn Array>),
    Float(Float64Array),
    /// A text column of a type that no text has.
    Other(DataType),
}

impl Parquet {
    /// Opens `path`, called `name` in errors, for the text in column `text_field`.
    pub(super) fn open(path: &Path, name: Arc<str>, text_field: &str) -> Result<Self, ReadError> {
        let compressed = path.extension().is_some_and(|extension| {
            extension.eq_ignore_ascii_case("gz") || extension.eq_ignore_ascii_case("zst")
        });
        if compressed {
            return Err(ReadError::CompressedParquet { path: name.to_string() });
        }
        let io = |source| ReadError::Io { path: name.to_string(), source };
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.len() == 0 {
            return Err(ReadError::Empty { path: name.to_string() });
        }
        let footer = |reason: String| damaged(&name, "its footer", &reason);
        let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(file)).map_err(footer)?;
        let num_rows = count_rows(builder.metadata()).map_err(footer)?;
        let schema = builder.schema().clone();
        let wanted = schema.fields().iter().enumerate().filter_map(|(place, field)| {
            (field.name() == text_field || is_scalar(field.data_type())).then_some(place)
        });
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
        let batches = guarded(|| builder.build())
            .map_err(|reason| damaged(&name, "its row groups", &reason))?;
        Ok(Self {
            name,
            text_field: text_field.to_owned(),
            batches,
            num_rows,
            column_names: names(&schema),
            columns: Columns::default(),
            next: 0,
            before: 0,
        })
    }

    fn row(&self) -> Result<Record, ReadError> {
        let record = self.before + self.next as u64 + 1;
        let key = Key::new(self.name.clone(), record);
        let field = || self.text_field.clone();
        let Some(column) = &self.columns.text else {
            let found = name_fields(self.column_names.iter().map(String::as_str));
            return Err(ReadError::MissingField { key, field: field(), found });
        };
        let found = match column {
            Column::Bytes(_) | Column::Dictionary(..) => "null".to_owned(),
            Column::Int(_) | Column::Unsigned(_) | Column::Float(_) => "a number".to_owned(),
            Column::Other(kind) => format!("of type {kind}"),
        };
        let Some(bytes) = column.bytes(self.next) else {
            return Err(ReadError::NotText { key, field: field(), found });
        };
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(error) => {
                let reason = format!(
                    "byte {} of the value of `{}` is at fault: write the file again as UTF-8",
                    error.valid_up_to(),
                    self.text_field
                );
                return Err(ReadError::Malformed { key, reason });
            }
        };
        let others = self.columns.others.iter();
        let mut fields: BTreeMap<Arc<str>, Field> = others
            .filter_map(|(name, column)| Some((name.clone(), column.value(self.next)?)))
            .collect();
        fields.insert(Arc::from(TEXT), Field::Text(text));
        Ok((record, fields))
    }
}

impl Iterator for Parquet {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next == self.columns.len {
            self.before += self.columns.len as u64;
            self.next = 0;
            self.columns = Columns::default();
            let place = format!("after row {}", self.before);
            let batch = guarded(|| match self.batches.next() {
                Some(batch) => Ok(Some(Columns::new(&batch?, &self.text_field))),
                None => Ok::<_, ArrowError>(None),
            });
            match batch {
                Ok(Some(columns)) => self.columns = columns,
                Ok(None) if self.before == self.num_rows => return None,
                Ok(None) => {
                    let reason = format!("the footer promises {} rows", self.num_rows);
                    return Some(Err(damaged(&self.name, &place, &reason)));
                }
                Err(reason) => return Some(Err(damaged(&self.name, &place, &reason))),
            }
        }
        let row = self.row();
        self.next += 1;
        Some(row)
    }
}

impl Columns {
    fn new(batch: &RecordBatch, text_field: &str) -> Self {
        let mut columns = Self { len: batch.num_rows(), ..Self::default() };
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let column = Column::new(array);
            if field.name() == text_field {
                columns.text = Some(column);
            } else {
                columns.others.push((Arc::from(field.name().as_str()), column));
            }
        }
        columns
    }
}

/// Integers or reals in the widest type of their kind.
fn ints<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &dyn Array) -> Column {
    Column::Int(array.as_primitive::<T>().unary(Into::into))
}

fn floats<T: ArrowPrimitiveType<Native: Into<f64>>>(array: &dyn Array) -> Column {
    Column::Float(array.as_primitive::<T>().unary(Into::into))
}

impl Column {
    fn new(array: &Arc<dyn Array>) -> Self {
        use DataType as T;
        match array.data_type() {
            T::Dictionary(_, values) if is_text(values) => {
                let dictionary = array.as_any_dictionary();
                let keys = dictionary.normalized_keys().into_iter().enumerate();
                let keys = keys.map(|(row, key)| array.is_valid(row).then_some(key)).collect();
                Self::Dictionary(dictionary.values().clone(), keys)
            }
            T::Utf8 | T::LargeUtf8 | T::Utf8View => Self::Bytes(array.clone()),
            T::Binary | T::LargeBinary | T::BinaryView => Self::Bytes(array.clone()),
            T::UInt64 => Self::Unsigned(array.clone()),
            T::Int8 => ints::<Int8Type>(array),
            T::Int16 => ints::<Int16Type>(array),
            T::Int32 => ints::<Int32Type>(array),
            T::Int64 => ints::<Int64Type>(array),
            T::UInt8 => ints::<UInt8Type>(array),
            T::UInt16 => ints::<UInt16Type>(array),
            T::UInt32 => ints::<UInt32Type>(array),
            T::Boolean => {
                Self::Int(array.as_boolean().iter().map(|value| value.map(i64::from)).collect())
            }
            T::Float16 => floats::<Float16Type>(array),
            T::Float32 => floats::<Float32Type>(array),
            T::Float64 => floats::<Float64Type>(array),
            other => Self::Other(other.clone()),
        }
    }

    /// The bytes of a text in `row`; none for a null, or for a column that is not of text.
    fn bytes(&self, row: usize) -> Option<&[u8]> {
        match self {
            Self::Bytes(array) => bytes(array, row),
            Self::Dictionary(values, keys) => bytes(values, keys[row]?),
            _ => None,
        }
    }

    /// The value in `row` as a field; none for a null, or for bytes that are not text.
    fn value(&self, row: usize) -> Option<Field> {
        match self {
            Self::Bytes(_) | Self::Dictionary(..) => {
                Some(Field::Text(std::str::from_utf8(self.bytes(row)?).ok()?.to_owned()))
            }
            Self::Int(array) => array.is_valid(row).then(|| Field::Int(array.value(row))),
            Self::Unsigned(array) => {
                let value = array.is_valid(row).then(|| array.as_primitive::<UInt64Type>())?;
                let value = value.value(row);
                Some(i64::try_from(value).map_or(Field::Float(value as f64), Field::Int))
            }
            Self::Float(array) => array.is_valid(row).then(|| Field::Float(array.value(row))),
            Self::Other(_) => None,
        }
    }
}

/// The bytes of a text in an array of one of the types of text; none for a null.
fn bytes(array: &dyn Array, row: usize) -> Option<&[u8]> {
    if !array.is_valid(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).as_bytes(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).as_bytes(),
        DataType::Utf8View => array.as_string_view().value(row).as_bytes(),
        DataType::Binary => array.as_binary::<i32>().value(row),
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        DataType::BinaryView => array.as_binary_view().value(row),
        _ => return None,
    })
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether a column is worth reading beside the text.
fn is_scalar(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_text(values),
        kind => {
            is_text(kind) || kind.is_integer() || kind.is_floating() || *kind == DataType::Boolean
        }
    }
}

fn names(schema: &Schema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

/// Calls the decoder, which panics on some damaged files (an overflow of row counts, for one).
fn guarded<T, E: Display>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the decoder cannot make sense of it".to_owned()),
    }
}

/// The rows of the file, if all row groups together have as many as it says.
fn count_rows(metadata: &ParquetMetaData) -> Result<u64, String> {
    let count = |rows: i64| u64::try_from(rows).ok();
    let total = metadata.row_groups().iter().try_fold(0_u64, |sum, group| {
        count(group.num_rows()).and_then(|rows| sum.checked_add(rows))
    });
    match (total, count(metadata.file_metadata().num_rows())) {
        (Some(total), Some(said)) if total == said => Ok(total),
        _ => Err("the row counts contradict each other".to_owned()),
    }
}

fn damaged(name: &str, place: &str, reason: &str) -> ReadError {
    ReadError::Damaged { path: name.to_owned(), reason: format!("{place}: {reason}") }
}
