//! The format of a picture store on disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ledger::Entry;
use crate::records::LabelTable;
use crate::store::{FileRecord, Sealed};

/// The version of the format, of decoding and of resizing. It is raised whenever the same files give other bytes, so that
/// older stores are built again.
pub(super) const VERSION: u32 = 2;

pub(super) const PIXELS: &str = "pixels.bin";
pub(super) const RECORDS: &str = "records.bin";
pub(super) const INDEX: &str = "index.bin";

/// The bytes of one entry of `index.bin`.
pub(super) const INDEX_BYTES: usize = 24;

/// The place of a picture in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of bytes of `pixels.bin` up to its end.
    pub(super) pixels_end: u64,
    /// The number of bytes of `records.bin` up to its end.
    pub(super) record_end: u64,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Place {
    pub(super) fn to_bytes(self) -> [u8; INDEX_BYTES] {
        let mut bytes = [0; INDEX_BYTES];
        bytes[..8].copy_from_slice(&self.pixels_end.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.record_end.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.width.to_le_bytes());
        bytes[20..].copy_from_slice(&self.height.to_le_bytes());
        bytes
    }

    pub(super) fn of_bytes(bytes: &[u8; INDEX_BYTES]) -> Self {
        let eight = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(number)
        };
        let sizes = eight(16);
        Self {
            pixels_end: eight(0),
            record_end: eight(8),
            width: sizes as u32,
            height: (sizes >> 32) as u32,
        }
    }
}

/// What stands beside a picture, as `records.bin` has it in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredRecord {
    pub(super) source: String,
    pub(super) record: u64,
    /// The label, numbered in the order in which labels were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<u32>,
    /// The captions of each field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) captions: Vec<Vec<String>>,
}

/// The contents of `manifest.json`. It is written last, so a folder with a manifest is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) version: u32,
    pub(super) fingerprint: String,
    pub(super) num_pictures: u64,
    pub(super) caption_fields: Vec<String>,
    pub(super) labels: Option<LabelTable>,
    /// The number in the table for each number in `records.bin`.
    pub(super) label_numbers: Vec<u32>,
    pub(super) ledger: BTreeMap<String, Entry>,
    pub(super) files: BTreeMap<String, FileRecord>,
    pub(super) seal: String,
}

impl Sealed for Manifest {
    const VERSION: u32 = VERSION;

    fn seal(&mut self) -> &mut String {
        &mut self.seal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = Place { pixels_end: 1 << 40, record_end: 77, width: 3, height: 70_000 };
        assert_eq!(Place::of_bytes(&place.to_bytes()), place);
    }
}
