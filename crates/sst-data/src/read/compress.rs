//! Decompresses `.gz` and `.zst` files while they are read, with several members in one file and padding after the
//! last.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::limits::{FREE_ZSTD_WINDOW_BYTES, MAX_LONG_WINDOW_RATIO, MAX_ZSTD_WINDOW_LOG};
use super::{ReadError, file, warn_once};
use crate::example::Key;
use crate::ledger::Ledger;

/// The number of bytes that are read at a time.
const BUFFER_BYTES: usize = 1 << 16;
/// The longest header of a zstd frame, in bytes.
const ZSTD_HEADER_BYTES: usize = 18;
/// The bytes that a frame with a long window may always decompress to.
const FREE_BYTES: u64 = 256 << 20;

/// The decompressed bytes of a file, and what an error needs to know about it.
pub(super) struct Opened {
    pub(super) reader: Peek<Box<dyn BufRead + Send>>,
    /// Whether the file is compressed. If it is, a failed read means that the file is damaged.
    pub(super) compressed: bool,
}

/// Opens `path` for streaming. Bytes after the last member that are not a member are counted in `ledger`.
pub(super) fn open(path: &Path, name: &str, ledger: &Ledger) -> Result<Opened, ReadError> {
    let io = |source| ReadError::Io { path: name.to_owned(), source };
    let mut raw = Peek::new(BufReader::with_capacity(BUFFER_BYTES, file::open(path, name)?));
    if raw.fill_buf().map_err(io)?.is_empty() {
        return Err(ReadError::Empty { path: name.to_owned() });
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let kind = match extension.as_str() {
        "gz" | "tgz" => Kind::Gzip,
        "zst" => Kind::Zstd,
        _ => return Ok(Opened { reader: Peek::new(Box::new(raw)), compressed: false }),
    };
    let (name, ledger) = (name.to_owned(), ledger.clone());
    let members = Members { kind, state: State::Between(raw), members: 0, name, ledger };
    let reader = BufReader::with_capacity(BUFFER_BYTES, members);
    Ok(Opened { reader: Peek::new(Box::new(reader)), compressed: true })
}

/// Opens `path` for streaming as bytes that are decompressed.
#[cfg(feature = "pictures")]
pub(crate) fn open_stream(
    path: &Path,
    name: &str,
    ledger: &Ledger,
) -> Result<Box<dyn BufRead + Send>, ReadError> {
    Ok(Box::new(open(path, name, ledger)?.reader))
}

/// Turns a failed read into a [`ReadError`]: damage if the file is compressed, otherwise an error of the operating
/// system.
pub(super) fn read_error(source: io::Error, compressed: bool, name: &str, line: u64) -> ReadError {
    if let Some(Refused(reason)) = source.get_ref().and_then(|inner| inner.downcast_ref()) {
        return ReadError::Refused { path: name.to_owned(), reason: reason.clone() };
    }
    if compressed && source.raw_os_error().is_none() {
        let path = format!("{name}:{line}");
        return ReadError::Damaged { path, reason: source.to_string() };
    }
    ReadError::Io { path: name.to_owned(), source }
}

/// A limit that the file goes beyond. It is passed on inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

#[derive(Clone, Copy)]
enum Kind {
    Gzip,
    Zstd,
}

impl Kind {
    /// Whether `head` begins a member. The first byte of a gzip member alone also counts, because the file may be cut
    /// short there.
    fn begins(self, head: &[u8]) -> bool {
        match (self, head) {
            (Self::Gzip, head) => matches!(head, [0x1f] | [0x1f, 0x8b, ..]),
            // These are the magic numbers of a frame and of a skippable frame.
            (Self::Zstd, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) => {
                true
            }
            (Self::Zstd, _) => false,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// A reader whose next bytes can be looked at before they are consumed.
pub(super) struct Peek<R> {
    /// The bytes that were read from `inner` and are not consumed yet.
    peeked: Vec<u8>,
    inner: R,
    /// An error that occurred while looking ahead. It is returned after the bytes before it.
    failed: Option<io::Error>,
    /// The number of bytes consumed so far.
    consumed: u64,
}

impl<R: BufRead> Peek<R> {
    fn new(inner: R) -> Self {
        Self { peeked: Vec::new(), inner, failed: None, consumed: 0 }
    }

    /// The next `count` bytes, or fewer at the end of the file or before an error.
    pub(super) fn peek(&mut self, count: usize) -> &[u8] {
        while self.peeked.len() < count && self.failed.is_none() {
            match self.inner.fill_buf() {
                Ok([]) => break,
                Ok(buffer) => {
                    let taken = buffer.len().min(count - self.peeked.len());
                    self.peeked.extend_from_slice(&buffer[..taken]);
                    self.inner.consume(taken);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.failed = Some(error),
            }
        }
        &self.peeked
    }
}

impl<R: BufRead> Read for Peek<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let buffer = self.fill_buf()?;
        let count = buffer.len().min(out.len());
        out[..count].copy_from_slice(&buffer[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Peek<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if !self.peeked.is_empty() {
            return Ok(&self.peeked);
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.inner.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        self.consumed += count as u64;
        if self.peeked.is_empty() {
            self.inner.consume(count);
        } else {
            self.peeked.drain(..count);
        }
    }
}

/// The compressed bytes of a file.
type Raw = Peek<BufReader<File>>;

enum State {
    Gzip(Box<GzDecoder<Raw>>),
    Zstd(ZstdDecoder<'static, Raw>, Growth),
    /// The reader stands before the first member or after a member.
    Between(Raw),
    End,
}

/// The decompressed size of a frame, which is limited if its window is long.
struct Growth {
    /// Whether the size is limited.
    limited: bool,
    start: u64,
    unpacked: u64,
}

/// All members of a file. Zeros after a member are padding, which tapes and block devices leave. Any other bytes that
/// do not begin a member end the data, as in `gzip -d`, and are counted as `read.trailing_bytes`.
struct Members {
    kind: Kind,
    state: State,
    members: u64,
    name: String,
    ledger: Ledger,
}

impl Members {
    fn next_member(&mut self, mut raw: Raw) -> io::Result<State> {
        let mut padding = self.members > 0;
        while padding {
            let buffer = raw.fill_buf()?;
            let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
            padding = zeros > 0;
            raw.consume(zeros);
        }
        let (kind, first) = (self.kind, self.members == 0);
        let head = raw.peek(ZSTD_HEADER_BYTES);
        if head.is_empty() && !first {
            return Ok(State::End);
        }
        if !kind.begins(head) {
            if first {
                let message = format!("it does not begin as {} data does", kind.name());
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            let count = io::copy(&mut raw, &mut io::sink())?;
            let message = format!(
                "{}: the last {count} bytes of the file are not {} data and were skipped",
                self.name,
                kind.name()
            );
            warn_once::warn_once(None, message);
            let place = Key::new(self.name.as_str(), 1);
            self.ledger.add("read.trailing_bytes", count, Some(&place));
            return Ok(State::End);
        }
        self.members += 1;
        match kind {
            Kind::Gzip => Ok(State::Gzip(Box::new(GzDecoder::new(raw)))),
            Kind::Zstd => {
                let window = window_bytes(head);
                if window > 1 << MAX_ZSTD_WINDOW_LOG {
                    let reason = format!(
                        "its zstd data needs a window of {window} bytes, and up to 2 GiB are read: pack it \
                         again with at most `zstd --long=31`"
                    );
                    return Err(io::Error::other(Refused(reason)));
                }
                let limited = window > FREE_ZSTD_WINDOW_BYTES;
                let start = raw.consumed;
                let mut decoder = ZstdDecoder::with_buffer(raw)?.single_frame();
                if limited {
                    decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
                }
                Ok(State::Zstd(decoder, Growth { limited, start, unpacked: 0 }))
            }
        }
    }
}

impl Read for Members {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = match &mut self.state {
                State::End => return Ok(0),
                State::Between(_) => 0,
                State::Gzip(decoder) => decoder.read(out)?,
                State::Zstd(decoder, growth) => {
                    let count = decoder.read(out)?;
                    growth.unpacked += count as u64;
                    let packed = decoder.get_ref().consumed - growth.start;
                    let allowed = FREE_BYTES + packed.saturating_mul(MAX_LONG_WINDOW_RATIO);
                    if growth.limited && growth.unpacked > allowed {
                        let reason = format!(
                            "its zstd data has a window above 128 MiB and unpacks to more than \
                             {MAX_LONG_WINDOW_RATIO} times its size: pack it again without --long"
                        );
                        return Err(io::Error::other(Refused(reason)));
                    }
                    count
                }
            };
            if count > 0 || out.is_empty() {
                return Ok(count);
            }
            let raw = match std::mem::replace(&mut self.state, State::End) {
                State::End => return Ok(0),
                State::Between(raw) => raw,
                State::Gzip(decoder) => decoder.into_inner(),
                State::Zstd(decoder, _) => decoder.finish(),
            };
            self.state = self.next_member(raw)?;
        }
    }
}

/// The window size that a zstd frame needs, in bytes (RFC 8878, 3.1.1.1). It is 0 if `head` is not a complete header,
/// or is that of a skippable frame.
fn window_bytes(head: &[u8]) -> u64 {
    let Some((descriptor, rest)) = head.get(4..).and_then(<[u8]>::split_first) else { return 0 };
    if head[0] != 0x28 {
        return 0;
    }
    let single_segment = descriptor & 0x20 != 0;
    if !single_segment {
        let Some(window) = rest.first() else { return 0 };
        let base = 1_u64 << (10 + (window >> 3));
        return base + base / 8 * u64::from(window & 7);
    }
    // Such a frame has no window of its own: the frame size, which follows the identifier of the dictionary, is used.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let bytes = rest.get(dictionary..dictionary + size).unwrap_or_default();
    let value = bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    if size == 2 { value + 256 } else { value }
}
