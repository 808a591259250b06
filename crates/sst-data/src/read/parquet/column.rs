//! Columns of a batch that hold texts and numbers.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, Float64Array, Int64Array};
use arrow_schema::DataType;

use crate::example::Field;

/// One column, converted to the widest type of its kind.
pub(super) enum Column {
    /// Strings, or plain bytes, which old versions of Spark write for strings.
    Bytes(Arc<dyn Array>),
    Int(Int64Array),
    Unsigned(Arc<dyn Array>),
    Float(Float64Array),
    /// A type that is neither text nor number.
    Other(DataType),
}

/// Integers or floating-point numbers in the widest type of their kind.
fn ints<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &dyn Array) -> Column {
    Column::Int(array.as_primitive::<T>().unary(Into::into))
}

fn floats<T: ArrowPrimitiveType<Native: Into<f64>>>(array: &dyn Array) -> Column {
    Column::Float(array.as_primitive::<T>().unary(Into::into))
}

impl Column {
    pub(super) fn new(array: &Arc<dyn Array>) -> Self {
        use DataType as T;
        match array.data_type() {
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

    /// The value in `row`; `None` for a null, or a type that is neither text nor number. The error is the offset of
    /// the first byte that is not UTF-8.
    pub(super) fn value(&self, row: usize) -> Result<Option<Field>, usize> {
        Ok(match self {
            Self::Bytes(array) => match bytes(array, row).map(std::str::from_utf8) {
                Some(Ok(text)) => Some(Field::Text(text.to_owned())),
                Some(Err(error)) => return Err(error.valid_up_to()),
                None => None,
            },
            Self::Int(array) => array.is_valid(row).then(|| Field::Int(array.value(row))),
            Self::Unsigned(array) => array.is_valid(row).then(|| {
                let value = array.as_primitive::<UInt64Type>().value(row);
                i64::try_from(value).map_or(Field::Float(value as f64), Field::Int)
            }),
            Self::Float(array) => array.is_valid(row).then(|| Field::Float(array.value(row))),
            Self::Other(_) => None,
        })
    }

    /// Describes the value in `row` that is not text, with its article.
    pub(super) fn kind(&self, row: usize) -> String {
        match self {
            Self::Bytes(_) => "null".to_owned(),
            Self::Int(array) if array.is_null(row) => "null".to_owned(),
            Self::Float(array) if array.is_null(row) => "null".to_owned(),
            Self::Int(_) | Self::Unsigned(_) | Self::Float(_) => "a number".to_owned(),
            Self::Other(kind) => format!("of type {kind}"),
        }
    }
}

/// The file in `row` of `array`: the bytes of a column of bytes, or of the structure `{bytes, path}` of the `datasets`
/// library, whose path is returned as text if it has no bytes. Strings are text, too. `None` for a null or another
/// type. The error is the offset of the first byte of a string that is not UTF-8.
pub(super) fn file(
    array: &dyn Array,
    declared: &DataType,
    row: usize,
) -> Result<Option<Field>, usize> {
    let text = |text: &[u8]| match std::str::from_utf8(text) {
        Ok(text) => Ok(Some(Field::Text(text.to_owned()))),
        Err(error) => Err(error.valid_up_to()),
    };
    if let DataType::Struct(_) = array.data_type() {
        if array.is_null(row) {
            return Ok(None);
        }
        let child = |name: &str| bytes(array.as_struct().column_by_name(name)?, row);
        return match (child("bytes"), child("path")) {
            (Some(bytes), _) => Ok(Some(Field::Bytes(bytes.to_vec()))),
            (None, Some(path)) => text(path),
            (None, None) => Ok(None),
        };
    }
    match (bytes(array, row), declared) {
        (Some(bytes), DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => {
            Ok(Some(Field::Bytes(bytes.to_vec())))
        }
        (Some(bytes), _) => text(bytes),
        (None, _) => Ok(None),
    }
}

/// The bytes in `row` of an array of one of the byte types; `None` for a null.
pub(super) fn bytes(array: &dyn Array, row: usize) -> Option<&[u8]> {
    if !array.is_valid(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Binary => array.as_binary::<i32>().value(row),
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        DataType::BinaryView => array.as_binary_view().value(row),
        _ => return None,
    })
}
