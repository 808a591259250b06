//! Opening a text file: `.gz` and `.zst` are unpacked as they are read, a byte order mark dropped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::ReadError;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 1 << 16;

/// The decompressed bytes of a file, with what errors need to know.
pub(super) struct Opened {
    pub(super) reader: Box<dyn BufRead + Send>,
    /// How many bytes the byte order mark took: 0 or 3.
    pub(super) offset: u64,
    /// Whether the file is compressed, so that a failed read means damage.
    pub(super) compressed: bool,
    /// What to do if the file turns out not to be UTF-8.
    pub(super) advice: &'static str,
}

/// Opens `path` for streaming.
pub(super) fn open(path: &Path, name: &str) -> Result<Opened, ReadError> {
    let io = |source| ReadError::Io { path: name.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let mut raw = BufReader::with_capacity(BUFFER_BYTES, file);
    if raw.fill_buf().map_err(io)?.is_empty() {
        return Err(ReadError::Empty { path: name.to_owned() });
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let (mut stream, compressed): (Box<dyn Read + Send>, bool) = match extension.as_str() {
        "gz" => (Box::new(MultiGzDecoder::new(raw)), true),
        "zst" => (Box::new(zstd::stream::read::Decoder::with_buffer(raw).map_err(io)?), true),
        _ => (Box::new(raw), false),
    };
    let mut head = Vec::with_capacity(4);
    (&mut stream)
        .take(4)
        .read_to_end(&mut head)
        .map_err(|source| read_error(source, compressed, name, 1))?;
    let advice = advice(&head);
    let offset = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    head.drain(..offset as usize);
    let joined = Cursor::new(head).chain(stream);
    let reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, joined));
    Ok(Opened { reader, offset, compressed, advice })
}

/// A failed read: the file's fault if it is compressed, otherwise the system's.
pub(super) fn read_error(source: io::Error, compressed: bool, name: &str, line: u64) -> ReadError {
    if compressed && source.raw_os_error().is_none() {
        let path = format!("{name}:{line}");
        return ReadError::Damaged { path, reason: source.to_string() };
    }
    ReadError::Io { path: name.to_owned(), source }
}

/// What the first bytes say about a file that is not UTF-8.
fn advice(head: &[u8]) -> &'static str {
    match head {
        [0x1f, 0x8b, ..] => "it is gzip data: end the file's name in .gz",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is zstd data: end the file's name in .zst",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            "it is UTF-16: convert it, e.g. with `iconv -f UTF-16 -t UTF-8`"
        }
        [b'P', b'A', b'R', b'1', ..] => "it is Parquet: set the format to parquet",
        _ => "convert the file, e.g. with `iconv -f LATIN1 -t UTF-8` (or GB18030 for Chinese)",
    }
}
