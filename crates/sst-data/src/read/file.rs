//! Opens data files. Pipes and devices are refused, because reading them may block.

use std::fs::{File, FileType};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::ReadError;

/// Opens `path`, called `name` in errors.
///
/// # Errors
/// [`ReadError::NotAFile`] for a named pipe, a device or a folder. Opening a pipe that nobody writes to would block.
pub(super) fn open(path: &Path, name: &str) -> Result<File, ReadError> {
    let io = |source| ReadError::Io { path: name.to_owned(), source };
    let absent = |source: io::Error| match source.kind() {
        ErrorKind::NotFound => dangling(path).unwrap_or_else(|| io(source)),
        _ => io(source),
    };
    let kind = std::fs::metadata(path).map_err(absent)?.file_type();
    if !kind.is_file() && !is_open_stream(path) {
        return Err(ReadError::NotAFile { path: name.to_owned(), what: describe(kind) });
    }
    File::open(path).map_err(io)
}

/// Checks that `path` is a file that can be read several times.
///
/// # Errors
/// [`ReadError::NotAFile`] for anything else, including standard input.
pub(crate) fn check_regular(path: &Path) -> Result<(), ReadError> {
    let name = path.to_string_lossy().into_owned();
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(metadata) => {
            Err(ReadError::NotAFile { path: name, what: describe(metadata.file_type()) })
        }
        Err(source) => Err(ReadError::Io { path: name, source }),
    }
}

/// The path is not a file. This is passed on inside an [`io::Error`], to which the caller adds the path.
#[derive(Debug, thiserror::Error)]
#[error("it is {what}, not a file: write the data to a file and name that")]
pub struct NotAFile {
    what: &'static str,
}

/// Checks that `path` can be read from beginning to end: it is a file, or a stream that this process has open. Opening
/// a pipe that nobody writes to would block.
///
/// # Errors
/// [`NotAFile`] for anything else, or the error of the operating system.
pub fn require_readable(path: &Path) -> io::Result<()> {
    if is_open_stream(path) { Ok(()) } else { require_file(path) }
}

/// Checks that `path` is a regular file, which can be read in any order and replaced by another.
///
/// # Errors
/// [`NotAFile`] for anything else, or the error of the operating system.
pub fn require_file(path: &Path) -> io::Result<()> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidInput, NotAFile { what: describe(kind) }))
}

/// The error for a link whose target does not exist; `None` if `path` is not such a link.
pub(super) fn dangling(path: &Path) -> Option<ReadError> {
    let target = std::fs::read_link(path).ok().filter(|_| !path.exists())?;
    let [path, target] = [path, &target].map(|path| path.to_string_lossy().into_owned());
    Some(ReadError::Dangling { path, target })
}

/// Whether `path` names a stream that this process has open already: standard input, or the pipe of `<(command)`.
fn is_open_stream(path: &Path) -> bool {
    path == Path::new("/dev/stdin")
        || path.starts_with("/dev/fd")
        || path.starts_with("/proc/self/fd")
}

fn describe(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
