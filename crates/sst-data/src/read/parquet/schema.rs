//! Builds the schema that a file is decoded with. It is the file's own schema, except that strings are decoded as
//! bytes.
//!
//! Arrow checks the strings of a whole batch at once, and one invalid string fails the whole batch. Bytes are checked
//! one by one, so an invalid value costs only its own row, and only if its column is used. Views into the page also
//! avoid copies: a page of 1 MB that repeats one value a thousand times takes 1 MB.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::errors::Result;
use parquet::file::metadata::{FileMetaData, ParquetMetaData};
use parquet::schema::types::{SchemaDescriptor, Type};

/// How a file is decoded.
pub(super) struct Decoding {
    pub(super) metadata: ArrowReaderMetadata,
    /// The schema that the file declares.
    pub(super) declared: SchemaRef,
}

/// The metadata of a file with every string declared as bytes.
pub(super) fn strings_as_bytes(metadata: ParquetMetaData) -> Result<Decoding> {
    let file = metadata.file_metadata();
    let schema = SchemaDescriptor::new(Arc::new(without_strings(file.schema())?));
    let bytes = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        file.key_value_metadata().cloned(),
        Arc::new(schema),
        None,
    );
    let bytes = Arc::new(ParquetMetaData::new(bytes, metadata.row_groups().to_vec()));
    let metadata = Arc::new(metadata);
    // Arrow's own notes about types that Parquet lacks are used if they fit the file.
    let noted = ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new());
    if let Ok(noted) = noted {
        let declared = noted.schema().clone();
        let options = ArrowReaderOptions::new().with_schema(as_bytes(&declared));
        if let Ok(metadata) = ArrowReaderMetadata::try_new(bytes.clone(), options) {
            return Ok(Decoding { metadata, declared });
        }
    }
    let plain = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let declared = ArrowReaderMetadata::try_new(metadata, plain())?.schema().clone();
    Ok(Decoding { metadata: ArrowReaderMetadata::try_new(bytes, plain())?, declared })
}

/// The same type without the annotations that declare bytes to be a string.
fn without_strings(kind: &Type) -> Result<Type> {
    let info = kind.get_basic_info();
    let id = info.has_id().then(|| info.id());
    if kind.is_primitive() {
        let decimal = matches!(info.logical_type_ref(), Some(LogicalType::Decimal(_)))
            || info.converted_type() == ConvertedType::DECIMAL;
        if kind.get_physical_type() != PhysicalType::BYTE_ARRAY || decimal {
            return Ok(kind.clone());
        }
        let builder = Type::primitive_type_builder(info.name(), PhysicalType::BYTE_ARRAY);
        return builder.with_repetition(info.repetition()).with_id(id).build();
    }
    let fields = kind.get_fields().iter().map(|field| Ok(Arc::new(without_strings(field)?)));
    let mut builder = Type::group_type_builder(info.name())
        .with_fields(fields.collect::<Result<_>>()?)
        .with_logical_type(info.logical_type_ref().cloned())
        .with_converted_type(info.converted_type())
        .with_id(id);
    if info.has_repetition() {
        builder = builder.with_repetition(info.repetition());
    }
    builder.build()
}

/// The same schema with bytes in place of strings.
fn as_bytes(schema: &Schema) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(bytes_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn bytes_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(field).with_data_type(bytes_type(field.data_type())))
}

fn bytes_type(kind: &DataType) -> DataType {
    use DataType as T;
    match kind {
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView => {
            T::BinaryView
        }
        T::Dictionary(_, values) => bytes_type(values),
        T::List(field) => T::List(bytes_field(field)),
        T::LargeList(field) => T::LargeList(bytes_field(field)),
        T::FixedSizeList(field, size) => T::FixedSizeList(bytes_field(field), *size),
        T::Struct(fields) => T::Struct(fields.iter().map(bytes_field).collect()),
        T::Map(field, sorted) => T::Map(bytes_field(field), *sorted),
        other => other.clone(),
    }
}
