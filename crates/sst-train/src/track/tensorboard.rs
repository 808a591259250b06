//! TensorBoard event files.
//!
//! An event file is a sequence of records. A record consists of the length of the payload (u64, little-endian), the
//! masked CRC-32C of these eight bytes, the payload, and the masked CRC-32C of the payload. The payload is a protobuf
//! message. These of its fields are written: `Event{wall_time=1, step=2, file_version=3, summary=5, session_log=7}`,
//! `Summary{value=1}`, `Value{tag=1, simple_value=2}`, `SessionLog{status=1}`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use sst_core::{Error, Event, Tracker};

use super::{logged_metrics, now};
use crate::error::TrainError;

/// A tracker that writes a file `events.out.tfevents.*`.
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: BufWriter<File>,
}

impl TensorBoard {
    /// Creates an event file in `folder` for a run that continues after `step` steps (0 for a new run). The file makes
    /// TensorBoard ignore the metrics of later steps in older files of the folder.
    ///
    /// # Errors
    /// If the folder or the file cannot be created or written.
    pub fn open(folder: &Path, step: u64) -> Result<Self, TrainError> {
        std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
        let (file, path) = create(folder)?;
        let mut board = Self { path, file: BufWriter::new(file) };
        let mut version = event_header(0);
        put_bytes(&mut version, 3, b"brain.Event:2");
        let mut start = event_header(step + 1);
        put_bytes(&mut start, 7, &[0x08, 0x01]);
        let records = [version, start];
        let result = records.iter().try_for_each(|record| board.record(record));
        result.and_then(|()| board.file.flush()).map_err(TrainError::io(&board.path))?;
        Ok(board)
    }

    /// The path of the event file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, event: &Event) -> std::io::Result<()> {
        let Some((step, metrics)) = logged_metrics(event) else { return Ok(()) };
        let mut summary = Vec::new();
        for (tag, value) in metrics {
            let mut entry = Vec::new();
            put_bytes(&mut entry, 1, tag.as_bytes());
            entry.push(2 << 3 | FIXED32);
            entry.extend((value as f32).to_le_bytes());
            put_bytes(&mut summary, 1, &entry);
        }
        let mut payload = event_header(step);
        put_bytes(&mut payload, 5, &summary);
        self.record(&payload)?;
        // Reports come every few seconds at most, so each is written at once for TensorBoard to show.
        self.file.flush()
    }

    /// Writes a record.
    fn record(&mut self, payload: &[u8]) -> std::io::Result<()> {
        let length = (payload.len() as u64).to_le_bytes();
        self.file.write_all(&length)?;
        self.file.write_all(&masked_crc(&length).to_le_bytes())?;
        self.file.write_all(payload)?;
        self.file.write_all(&masked_crc(payload).to_le_bytes())
    }
}

impl Tracker for TensorBoard {
    fn on_event(&mut self, event: &Event) -> sst_core::Result<()> {
        self.write(event).map_err(|source| Error::Io { path: self.path.clone(), source })
    }
}

/// Creates an event file with a new name. TensorBoard reads the files of a folder in the order of their names, which
/// begin with the time. The number at the end of the name is different for files of the same second.
fn create(folder: &Path) -> Result<(File, PathBuf), TrainError> {
    let seconds = now() as u64;
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if hostname.trim().is_empty() { "localhost" } else { hostname.trim() };
    let mut number = 0_u32;
    loop {
        let process = std::process::id();
        let name = format!("events.out.tfevents.{seconds:010}.{host}.{process}.{number}");
        let path = folder.join(name);
        match File::create_new(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(source) => return Err(TrainError::Io { path, source }),
        }
    }
}

/// The wire types of protobuf.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

/// The fields `wall_time` and `step` of an event, with which its payload begins.
fn event_header(step: u64) -> Vec<u8> {
    let mut payload = vec![1 << 3 | FIXED64];
    payload.extend(now().to_le_bytes());
    payload.push(2 << 3 | VARINT);
    put_varint(&mut payload, step);
    payload
}

/// Appends a field of bytes, a string or a message.
fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | BYTES);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// Appends an integer in protobuf's variable-length encoding.
fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The table of the CRC-32C (Castagnoli) of RFC 3720, appendix B.4, with reversed bits.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The masked CRC-32C: it is rotated and a constant is added, because the CRC of data that contains CRCs is less
/// reliable.
fn masked_crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| crc >> 8 ^ CRC_TABLE[(crc as u8 ^ byte) as usize];
    let crc = !bytes.iter().fold(!0, step);
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}
