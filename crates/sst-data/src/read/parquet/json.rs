//! Writes values of any type as JSON, for the commands that copy all fields.

use std::fmt::Write;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_schema::{DataType, TimeUnit};
use serde_json::Value;

use super::column::bytes;

/// How a value differs from its JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Conversion {
    /// The value contains a date, a time or bytes, which became text because JSON has no type for them.
    pub(super) as_text: bool,
    /// The value contains NaN or an infinity, which is written as Python's `json` writes it.
    pub(super) not_finite: bool,
    /// The value contains a value of an unsupported type, which became null.
    pub(super) lost: bool,
}

/// Writes the value in `row` of `array`. `declared` is the type in the file's schema, because strings are decoded as
/// bytes.
///
/// # Errors
/// The offset of the first byte of a string that is not UTF-8.
pub(super) fn write(
    out: &mut String,
    array: &dyn Array,
    declared: &DataType,
    row: usize,
) -> Result<Conversion, usize> {
    let mut writer = Writer { out, conversion: Conversion::default() };
    writer.value(array, declared, row)?;
    Ok(writer.conversion)
}

struct Writer<'a> {
    out: &'a mut String,
    conversion: Conversion,
}

/// Writes an integer or a decimal of type `$kind`.
macro_rules! number {
    ($self:ident, $array:ident, $row:ident, $kind:ty) => {
        $self.plain($array.as_primitive::<$kind>().value($row))
    };
}

macro_rules! decimal {
    ($self:ident, $array:ident, $row:ident, $kind:ty) => {
        $self.plain($array.as_primitive::<$kind>().value_as_string($row))
    };
}

/// Writes a time of type `$kind`, converted by the given method to a type of chrono.
macro_rules! time {
    ($self:ident, $array:ident, $row:ident, $kind:ty, $method:ident, $end:expr) => {
        $self.time(
            $array.as_primitive::<$kind>().$method($row).map(|time| format!("{time:?}")),
            $end,
        )
    };
}

macro_rules! duration {
    ($self:ident, $array:ident, $row:ident, $kind:ty) => {{
        let duration = $array.as_primitive::<$kind>().value_as_duration($row);
        $self.time(duration.map(|duration| duration.to_string()), "")
    }};
}

impl Writer<'_> {
    fn value(&mut self, array: &dyn Array, declared: &DataType, row: usize) -> Result<(), usize> {
        use DataType as T;
        if array.is_null(row) {
            self.plain("null");
            return Ok(());
        }
        match array.data_type() {
            T::Null => self.plain("null"),
            T::Boolean => self.plain(array.as_boolean().value(row)),
            T::Int8 => number!(self, array, row, Int8Type),
            T::Int16 => number!(self, array, row, Int16Type),
            T::Int32 => number!(self, array, row, Int32Type),
            T::Int64 => number!(self, array, row, Int64Type),
            T::UInt8 => number!(self, array, row, UInt8Type),
            T::UInt16 => number!(self, array, row, UInt16Type),
            T::UInt32 => number!(self, array, row, UInt32Type),
            T::UInt64 => number!(self, array, row, UInt64Type),
            T::Float16 => self.float32(array.as_primitive::<Float16Type>().value(row).to_f32()),
            T::Float32 => self.float32(array.as_primitive::<Float32Type>().value(row)),
            T::Float64 => self.float64(array.as_primitive::<Float64Type>().value(row)),
            T::Decimal32(..) => decimal!(self, array, row, Decimal32Type),
            T::Decimal64(..) => decimal!(self, array, row, Decimal64Type),
            T::Decimal128(..) => decimal!(self, array, row, Decimal128Type),
            T::Decimal256(..) => decimal!(self, array, row, Decimal256Type),
            T::Binary | T::LargeBinary | T::BinaryView => {
                let is_string = !matches!(
                    declared_values(declared),
                    T::Binary | T::LargeBinary | T::BinaryView
                );
                return self.bytes(bytes(array, row).unwrap_or_default(), is_string);
            }
            T::FixedSizeBinary(_) => {
                return self.bytes(array.as_fixed_size_binary().value(row), false);
            }
            T::List(_) => return self.list(&array.as_list::<i32>().value(row), declared),
            T::LargeList(_) => return self.list(&array.as_list::<i64>().value(row), declared),
            T::FixedSizeList(..) => {
                return self.list(&array.as_fixed_size_list().value(row), declared);
            }
            T::Struct(_) => return self.object(array, declared, row),
            T::Map(..) => return self.map(array, declared, row),
            _ => self.temporal(array, row),
        }
        Ok(())
    }

    /// Writes a date, a time or a duration in ISO 8601. Anything else becomes null.
    fn temporal(&mut self, array: &dyn Array, row: usize) {
        use DataType as T;
        use TimeUnit as U;
        match array.data_type() {
            T::Date32 => time!(self, array, row, Date32Type, value_as_date, ""),
            T::Date64 => time!(self, array, row, Date64Type, value_as_datetime, ""),
            T::Timestamp(unit, zone) => {
                // A time with a time zone is written in UTC.
                let end = if zone.is_some() { "Z" } else { "" };
                match unit {
                    U::Second => {
                        time!(self, array, row, TimestampSecondType, value_as_datetime, end)
                    }
                    U::Millisecond => {
                        time!(self, array, row, TimestampMillisecondType, value_as_datetime, end)
                    }
                    U::Microsecond => {
                        time!(self, array, row, TimestampMicrosecondType, value_as_datetime, end)
                    }
                    U::Nanosecond => {
                        time!(self, array, row, TimestampNanosecondType, value_as_datetime, end)
                    }
                }
            }
            T::Time32(U::Second) => time!(self, array, row, Time32SecondType, value_as_time, ""),
            T::Time32(_) => time!(self, array, row, Time32MillisecondType, value_as_time, ""),
            T::Time64(U::Microsecond) => {
                time!(self, array, row, Time64MicrosecondType, value_as_time, "")
            }
            T::Time64(_) => time!(self, array, row, Time64NanosecondType, value_as_time, ""),
            T::Duration(U::Second) => duration!(self, array, row, DurationSecondType),
            T::Duration(U::Millisecond) => duration!(self, array, row, DurationMillisecondType),
            T::Duration(U::Microsecond) => duration!(self, array, row, DurationMicrosecondType),
            T::Duration(U::Nanosecond) => duration!(self, array, row, DurationNanosecondType),
            _ => self.lose(),
        }
    }

    fn plain(&mut self, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{value}");
    }

    fn string(&mut self, text: &str) {
        self.plain(Value::String(text.to_owned()));
    }

    fn lose(&mut self) {
        self.conversion.lost = true;
        self.plain("null");
    }

    fn time(&mut self, text: Option<String>, end: &str) {
        match text {
            Some(text) => {
                self.conversion.as_text = true;
                self.string(&(text + end));
            }
            // The year is beyond the range of the calendar.
            None => self.lose(),
        }
    }

    /// Writes the shortest number that is parsed as the same `f32`.
    fn float32(&mut self, value: f32) {
        match value.is_finite() {
            true => self.plain(format_args!("{value:?}")),
            false => self.float64(f64::from(value)),
        }
    }

    fn float64(&mut self, value: f64) {
        if value.is_finite() {
            return self.plain(format_args!("{value:?}"));
        }
        self.conversion.not_finite = true;
        self.plain(match (value.is_nan(), value > 0.0) {
            (true, _) => "NaN",
            (_, true) => "Infinity",
            (_, false) => "-Infinity",
        });
    }

    fn bytes(&mut self, bytes: &[u8], is_string: bool) -> Result<(), usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.string(text),
            Err(error) if is_string => return Err(error.valid_up_to()),
            Err(_) => {
                self.conversion.as_text = true;
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                self.string(&hex);
            }
        }
        Ok(())
    }

    fn list(&mut self, values: &dyn Array, declared: &DataType) -> Result<(), usize> {
        let declared = child(declared, 0);
        self.out.push('[');
        for row in 0..values.len() {
            if row > 0 {
                self.out.push(',');
            }
            self.value(values, declared.unwrap_or(values.data_type()), row)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn object(&mut self, array: &dyn Array, declared: &DataType, row: usize) -> Result<(), usize> {
        let array = array.as_struct();
        self.out.push('{');
        for (place, (field, column)) in array.fields().iter().zip(array.columns()).enumerate() {
            if place > 0 {
                self.out.push(',');
            }
            self.string(field.name());
            self.out.push(':');
            self.value(column, child(declared, place).unwrap_or(column.data_type()), row)?;
        }
        self.out.push('}');
        Ok(())
    }

    /// Writes a map as an object if its keys are strings, otherwise as a list of pairs.
    fn map(&mut self, array: &dyn Array, declared: &DataType, row: usize) -> Result<(), usize> {
        let entries = array.as_map().value(row);
        let [keys, values] = entries.columns() else {
            self.lose();
            return Ok(());
        };
        let declared_entry = child(declared, 0);
        let kind = |place: usize, column: &dyn Array| {
            let declared = declared_entry.and_then(|entry| child(entry, place));
            declared.cloned().unwrap_or(column.data_type().clone())
        };
        let (key_kind, value_kind) = (kind(0, keys), kind(1, values));
        let named = matches!(key_kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let [open, between, close] = if named { ["", ":", ""] } else { ["[", ",", "]"] };
        self.out.push(if named { '{' } else { '[' });
        for row in 0..entries.len() {
            if row > 0 {
                self.out.push(',');
            }
            self.plain(open);
            self.value(keys, &key_kind, row)?;
            self.plain(between);
            self.value(values, &value_kind, row)?;
            self.plain(close);
        }
        self.out.push(if named { '}' } else { ']' });
        Ok(())
    }
}

/// The type of the values of a dictionary, or the type itself if it is no dictionary.
fn declared_values(kind: &DataType) -> &DataType {
    match kind {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

/// The type of a child of a nested type.
fn child(kind: &DataType, place: usize) -> Option<&DataType> {
    match kind {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => Some(field.data_type()),
        DataType::Struct(fields) => fields.get(place).map(|field| field.data_type()),
        _ => None,
    }
}
