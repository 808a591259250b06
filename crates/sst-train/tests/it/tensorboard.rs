//! The TensorBoard event file, read by an independent reader in this file.

use std::path::Path;

use sst_core::{Event, Metrics, Tracker};
use sst_train::track::TensorBoard;

/// The masked CRC-32C by its definition, one bit after the other.
fn masked_crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    let crc = !crc;
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// One field of a protobuf message.
#[derive(Debug, Clone, PartialEq)]
enum Value<'a> {
    Int(u64),
    Double(f64),
    Float(f32),
    Bytes(&'a [u8]),
}

/// Reads an integer in protobuf's variable-length encoding, and removes its bytes.
fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

/// The fields of a message: numbers and values.
fn message(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Value::Int(varint(&mut bytes)),
            kind => {
                let length = match kind {
                    1 => 8,
                    5 => 4,
                    2 => varint(&mut bytes) as usize,
                    other => panic!("wire type {other}"),
                };
                let (content, remaining) = bytes.split_at(length);
                bytes = remaining;
                match kind {
                    1 => Value::Double(f64::from_le_bytes(content.try_into().unwrap())),
                    5 => Value::Float(f32::from_le_bytes(content.try_into().unwrap())),
                    _ => Value::Bytes(content),
                }
            }
        };
        fields.push((tag >> 3, value));
    }
    fields
}

/// The payloads of all records of a file, whose CRCs are checked.
fn records(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::read(path).unwrap();
    let (mut rest, mut records) = (file.as_slice(), Vec::new());
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        assert_eq!(number(&rest[8..]), masked_crc(&rest[..8]), "CRC of a length");
        let payload = &rest[12..12 + length];
        assert_eq!(number(&rest[12 + length..]), masked_crc(payload), "CRC of a payload");
        records.push(payload.to_vec());
        rest = &rest[16 + length..];
    }
    records
}

/// The value of a field.
fn field<'a>(message: &[(u64, Value<'a>)], number: u64) -> Option<Value<'a>> {
    message.iter().find(|(field, _)| *field == number).map(|(_, value)| value.clone())
}

/// The fields of the message in a field.
fn inner<'a>(message: &[(u64, Value<'a>)], number: u64) -> Vec<(u64, Value<'a>)> {
    match field(message, number) {
        Some(Value::Bytes(bytes)) => self::message(bytes),
        other => panic!("field {number} is {other:?}"),
    }
}

#[test]
fn the_check_value_of_crc32c() {
    // RFC 3720, appendix B.4: 32 bytes of zero.
    let unmasked = masked_crc(&[0; 32]).wrapping_sub(0xa282_ead8).rotate_left(15);
    assert_eq!(unmasked, 0x8a91_36aa);
}

#[test]
fn metrics_can_be_read_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = TensorBoard::open(&folder.path().join("tb"), 300).unwrap();
    let name = board.path().file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("events.out.tfevents."), "{name}");
    let step = Event::Step {
        step: 320,
        metrics: Metrics::from([("loss".into(), 2.5), ("lr".into(), 1e-3)]),
        timing: Metrics::from([("tokens_per_second".into(), 1234.0)]),
    };
    board.on_event(&step).unwrap();
    board.on_event(&Event::Saved { step: 320, path: "x".into() }).unwrap();

    let records = records(board.path());
    assert_eq!(records.len(), 3, "version, start and one summary");
    let version = message(&records[0]);
    assert_eq!(field(&version, 3), Some(Value::Bytes(b"brain.Event:2")));
    let start = message(&records[1]);
    assert_eq!(field(&start, 2), Some(Value::Int(301)), "metrics from step 301 on are ignored");
    assert_eq!(inner(&start, 7), [(1, Value::Int(1))]);
    let event = message(&records[2]);
    assert_eq!(field(&event, 2), Some(Value::Int(320)));
    assert!(matches!(field(&event, 1), Some(Value::Double(time)) if time > 1.7e9));
    let entries = inner(&event, 5);
    let entries = entries.iter().map(|(number, value)| match value {
        Value::Bytes(bytes) if *number == 1 => message(bytes),
        other => panic!("{other:?}"),
    });
    let expected = [("train/loss", 2.5), ("train/lr", 1e-3), ("perf/tokens_per_second", 1234.0)];
    let expected = expected
        .map(|(tag, value)| vec![(1, Value::Bytes(tag.as_bytes())), (2, Value::Float(value))]);
    assert_eq!(entries.collect::<Vec<_>>(), expected);
}

#[test]
fn two_files_of_the_same_second_have_different_names() {
    let folder = tempfile::tempdir().unwrap();
    let first = TensorBoard::open(folder.path(), 0).unwrap();
    let second = TensorBoard::open(folder.path(), 0).unwrap();
    assert_ne!(first.path(), second.path());
}
