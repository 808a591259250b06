//! Parquet: types, batches, nulls and damage.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, GzipLevel};
use ::parquet::file::properties::WriterProperties;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, DictionaryArray, Float32Array, Int32Array, ListArray,
    RecordBatch, StringArray, StringViewArray, UInt64Array,
};
use proptest::prelude::*;
use sst_data::Field;

use super::*;

fn write(columns: Vec<(&str, ArrayRef)>, compression: Compression) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(300))
        .set_compression(compression)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn numbered(count: usize) -> StringArray {
    (0..count).map(|i| Some(format!("第{i}行"))).collect()
}

#[test]
fn rows_come_in_order_over_batches_and_row_groups() {
    let gzip = Compression::GZIP(GzipLevel::default());
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, gzip] {
        let bytes = write(vec![("text", Arc::new(numbered(1000)))], compression);
        let expected: Vec<String> = (0..1000).map(|i| format!("{}:第{i}行", i + 1)).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check("a.parquet", &bytes, &expected);
    }
}

#[test]
fn every_string_type_is_text() {
    let words = ["one", "two"];
    let columns: [ArrayRef; 4] = [
        Arc::new(StringArray::from_iter_values(words)),
        Arc::new(StringViewArray::from_iter_values(words)),
        Arc::new(words.into_iter().collect::<DictionaryArray<Int32Type>>()),
        Arc::new(BinaryArray::from_iter_values(words)),
    ];
    for column in columns {
        check(
            "a.parquet",
            &write(vec![("text", column)], Compression::SNAPPY),
            &["1:one", "2:two"],
        );
    }
}

#[test]
fn scalar_columns_are_kept() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    let bytes = write(
        vec![
            ("text", Arc::new(numbered(1))),
            ("label", Arc::new(Int32Array::from(vec![3]))),
            ("gone", Arc::new(Int32Array::from(vec![None]))),
            ("score", Arc::new(Float32Array::from(vec![0.5]))),
            ("flag", Arc::new(BooleanArray::from(vec![true]))),
            ("hash", Arc::new(UInt64Array::from(vec![5]))),
            ("lists", Arc::new(lists)),
        ],
        Compression::UNCOMPRESSED,
    );
    let folder = Folder::new(&[("a.parquet", &bytes)]);
    let fields = read(&folder.source("a.parquet")).unwrap().remove(0).fields;
    let fields: Vec<_> = fields.iter().map(|(name, field)| (&**name, field.clone())).collect();
    let expected = [
        ("flag", Field::Int(1)),
        ("hash", Field::Int(5)),
        ("label", Field::Int(3)),
        ("score", Field::Float(0.5)),
        ("text", Field::Text("第0行".into())),
    ];
    assert_eq!(fields, expected);
}

#[test]
fn rows_without_text_are_placed_and_explained() {
    let some: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some("z")]));
    let bytes = write(vec![("text", some.clone())], Compression::UNCOMPRESSED);
    check_error(
        "a.parquet",
        &bytes,
        "a.parquet:2: field `text` is null, not a string: choose another field or convert it",
    );
    check_skip("a.parquet", &bytes, &["1:x", "3:z"], &[("read.not_text", 1, "a.parquet:2")]);
    let renamed = write(vec![("body", some)], Compression::UNCOMPRESSED);
    check_error(
        "a.parquet",
        &renamed,
        "a.parquet:1 has no field `text` (it has `body`): set `text_field` to the one to read",
    );
    check_skip("a.parquet", &renamed, &[], &[("read.missing_field", 3, "a.parquet:1")]);
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    check_error(
        "a.parquet",
        &write(vec![("text", numbers)], Compression::UNCOMPRESSED),
        "a.parquet:1: field `text` is a number, not a string: choose another field or convert it",
    );
    let bad: ArrayRef = Arc::new(BinaryArray::from_iter_values([b"ok".as_slice(), b"\xff"]));
    let bytes = write(vec![("text", bad)], Compression::UNCOMPRESSED);
    check_skip("a.parquet", &bytes, &["1:ok"], &[("read.malformed", 1, "a.parquet:2")]);
}

#[test]
fn a_broken_file_is_an_error_or_a_counted_skip() {
    let whole = write(vec![("text", Arc::new(numbered(1000)))], Compression::SNAPPY);
    for bytes in [&whole[..whole.len() - 9], b"PAR1", b"{\"text\": 1}"] {
        check_error_kind("a.parquet", bytes, |error| {
            matches!(error, ReadError::Damaged { .. }) && error.to_string().contains("its footer")
        });
        check_skip("a.parquet", bytes, &[], &[("read.damaged_file", 1, "a.parquet:1")]);
    }
    check_error_kind("a.parquet", b"", |error| matches!(error, ReadError::Empty { .. }));
    check_error_kind("a.parquet.gz", &gzip(&whole), |error| {
        matches!(error, ReadError::CompressedParquet { .. })
    });
    let none = write(vec![("text", Arc::new(numbered(0)))], Compression::SNAPPY);
    check_error_kind("a.parquet", &none, |error| matches!(error, ReadError::Empty { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_flipped_byte_never_panics(place in any::<prop::sample::Index>(), mask in 1_u8..) {
        let mut bytes = write(vec![("text", Arc::new(numbered(400)))], Compression::SNAPPY);
        let place = place.index(bytes.len());
        bytes[place] ^= mask;
        let folder = Folder::new(&[("a.parquet", &bytes)]);
        let read = read(&folder.source("a.parquet"));
        prop_assert!(read.is_err() || read.is_ok_and(|rows| rows.len() <= 400));
    }
}
