//! Parquet: types, batches, nulls and damage.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, DictionaryArray, Float32Array, Int32Array, ListArray,
    RecordBatch, StringArray, StringViewArray, UInt64Array,
};
use sst_data::Field;

use super::*;

fn write(columns: Vec<(&str, ArrayRef)>, compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(300))
        .set_compression(compression)
        .build();
    write_as(columns, properties)
}

pub(super) fn write_as(columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
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
    let brotli = Compression::BROTLI(BrotliLevel::default());
    let zstd = Compression::ZSTD(ZstdLevel::default());
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4,
        Compression::LZ4_RAW,
        gzip,
        brotli,
        zstd,
    ] {
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
fn used_columns_are_given_and_others_are_listed() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    let bytes = write(
        vec![
            ("text", Arc::new(numbered(1))),
            ("label", Arc::new(Int32Array::from(vec![3]))),
            ("gone", Arc::new(Int32Array::from(vec![None]))),
            ("real", Arc::new(Float32Array::from(vec![0.5]))),
            ("flag", Arc::new(BooleanArray::from(vec![true]))),
            ("hash", Arc::new(UInt64Array::from(vec![5]))),
            ("lists", Arc::new(lists)),
            ("unused", Arc::new(Int32Array::from(vec![3]))),
        ],
        Compression::UNCOMPRESSED,
    );
    let folder = Folder::new(&[("a.parquet", &bytes)]);
    let other_fields =
        ["label", "gone", "real", "flag", "hash", "missing"].map(str::to_owned).into();
    let source = Source { other_fields, ..folder.source("a.parquet") };
    let ledger = Ledger::new();
    let fields = source.read(&ledger).unwrap().next().unwrap().unwrap().fields;
    let fields: Vec<_> = fields.iter().map(|(name, field)| (&**name, field.clone())).collect();
    let expected = [
        ("flag", Field::Int(1)),
        ("hash", Field::Int(5)),
        ("label", Field::Int(3)),
        ("real", Field::Float(0.5)),
        ("text", Field::Text("第0行".into())),
    ];
    assert_eq!(fields, expected);
    assert_eq!(ledger.entries()["unused.columns"].items, ["lists", "unused"]);
}

#[test]
fn one_bad_string_costs_its_row() {
    // A string column of another writer, made by changing the bytes of the value in the file.
    let rows: Vec<String> = (0..1000).map(|i| format!("row {i:04}")).collect();
    let text: ArrayRef = Arc::new(StringArray::from(rows.clone()));
    let plain = WriterProperties::builder()
        .set_max_row_group_row_count(Some(300))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    for (name, other, lost) in [("text", "id", 1), ("id", "text", 0)] {
        let columns = vec![(name, text.clone()), (other, Arc::new(numbered(1000)) as ArrayRef)];
        let mut bytes = write_as(columns, plain.clone());
        let place = bytes.windows(8).position(|window| window == b"row 0500").unwrap();
        bytes[place + 3] = 0xff;
        let folder = Folder::new(&[("a.parquet", &bytes)]);
        let ledger = Ledger::new();
        let source = Source { on_error: OnError::Skip, ..folder.source("a.parquet") };
        let read: Vec<Example> = source.read(&ledger).unwrap().map(Result::unwrap).collect();
        assert_eq!((read.len(), ledger.count("read.invalid_utf8")), (1000 - lost, lost as u64));
        if lost > 0 {
            assert!(read.iter().all(|example| example.key.record != 501));
            check_error(
                "a.parquet",
                &bytes,
                "a.parquet:501: the value of `text` is not UTF-8 (byte 3 of it): write the \
                 file again with text that is",
            );
        }
    }
}

#[test]
fn damage_costs_its_row_group_and_no_other() {
    let rows: ArrayRef =
        Arc::new((0..1000).map(|i| Some(format!("row {i:04}"))).collect::<StringArray>());
    let plain = WriterProperties::builder()
        .set_max_row_group_row_count(Some(300))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut bytes = write_as(vec![("text", rows)], plain);
    // In the second of four row groups, the length of a string is changed to exceed its page.
    let place = bytes.windows(8).position(|window| window == b"row 0400").unwrap();
    bytes[place - 2] = 0xff;
    let folder = Folder::new(&[("a.parquet", &bytes)]);
    let ledger = Ledger::new();
    let source = Source { on_error: OnError::Skip, ..folder.source("a.parquet") };
    let records: Vec<u64> = source.read(&ledger).unwrap().map(|e| e.unwrap().key.record).collect();
    let lost = ledger.count("read.lost_rows");
    assert_eq!(records.len() as u64, 1000 - lost);
    assert!((200..=300).contains(&lost) && ledger.count("read.damaged_row_group") == 1);
    assert!(
        records[..300] == (1..=300).collect::<Vec<_>>()
            && records.ends_with(&(601..=1000).collect::<Vec<_>>())
    );
    let error = read(&folder.source("a.parquet")).unwrap_err().to_string();
    assert!(
        error.contains("to 600: ") && error.contains("fetch or write the file again"),
        "{error}"
    );
}

/// Neither a large page nor one that only claims to be large is allocated.
#[test]
fn large_pages_are_refused_before_they_are_decompressed() {
    let zeros = "0".repeat(300 << 20);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a", &zeros]));
    let bytes = write(vec![("text", text)], Compression::ZSTD(ZstdLevel::default()));
    assert!(bytes.len() < 1 << 20);
    check_error_kind("a.parquet", &bytes, |error| {
        error.to_string().contains("column `text` has a page of 3145")
            && error.to_string().contains("write the file again")
    });
    let other = Folder::new(&[("a.parquet", &bytes)]);
    let source = Source { on_error: OnError::Skip, ..other.source("a.parquet") };
    let ledger = Ledger::new();
    assert_eq!((source.read(&ledger).unwrap().count(), ledger.count("read.lost_rows")), (0, 2));
}

/// The fields of all types, with values that `pyarrow` wrote.
#[test]
fn all_types_are_kept_as_json() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/parquet/types.parquet");
    let ledger = Ledger::new();
    let rows: Vec<Vec<String>> = Source::new([path])
        .read_all_fields(&ledger)
        .unwrap()
        .map(|row| row.unwrap().fields.into_iter().map(|field| field.json).collect())
        .collect();
    let expected = include_str!("../../fixtures/parquet/types.jsonl");
    let expected: Vec<Vec<&str>> =
        expected.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        let found: Vec<&str> =
            row.iter().filter(|field| !field.is_empty()).map(String::as_str).collect();
        assert_eq!(&found, expected);
    }
    assert!(ledger.count("fields.as_text") > 0 && ledger.count("fields.not_finite") == 2);
    assert_eq!(ledger.count("fields.lost"), 0);
}

#[test]
fn two_columns_of_one_name_are_an_error() {
    for names in [["text", "text", "a"], ["text", "a", "a"]] {
        let columns = names.map(|name| (name, Arc::new(numbered(2)) as ArrayRef));
        let bytes = write(columns.to_vec(), Compression::UNCOMPRESSED);
        let folder = Folder::new(&[("a.parquet", &bytes)]);
        let error = read(&folder.source("a.parquet")).unwrap_err().to_string();
        assert!(error.contains(&format!("column `{}` occurs twice", names[1])), "{error}");
    }
}

#[test]
fn rows_without_text_are_reported_with_place_and_advice() {
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
    let counts = [("read.missing_field", 3, "a.parquet:1"), ("unused.columns", 1, "")];
    check_skip("a.parquet", &renamed, &[], &counts);
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    check_error(
        "a.parquet",
        &write(vec![("text", numbers)], Compression::UNCOMPRESSED),
        "a.parquet:1: field `text` is a number, not a string: choose another field or convert it",
    );
    let bad: ArrayRef = Arc::new(BinaryArray::from_iter_values([b"ok".as_slice(), b"\xff"]));
    let bytes = write(vec![("text", bad)], Compression::UNCOMPRESSED);
    check_skip("a.parquet", &bytes, &["1:ok"], &[("read.invalid_utf8", 1, "a.parquet:2")]);
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

/// Small files of many types and codecs, for mutation.
pub(super) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let text: ArrayRef = Arc::new(numbered(40));
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>((0..40).map(|i| Some([Some(i)])));
    let columns = || {
        vec![
            ("text", text.clone()),
            ("id", Arc::new((0..40).collect::<Int32Array>()) as ArrayRef),
            ("lists", Arc::new(lists.clone()) as ArrayRef),
            (
                "word",
                Arc::new((0..40).map(|_| "a").collect::<DictionaryArray<Int32Type>>()) as ArrayRef,
            ),
        ]
    };
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::BROTLI(BrotliLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ];
    codecs.map(|codec| ("a.parquet", write(columns(), codec))).to_vec()
}
