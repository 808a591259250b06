//! Opening data files: only those that hold their data, not pipes and devices that wait for it.

use std::fs::{File, FileType};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::ReadError;

/// Opens `path`, called `name` in errors.
///
/// # Errors
/// [`ReadError::NotAFile`] for a named pipe, a device or a folder: opening a pipe nobody writes to would block.
pub(super) fn open(path: &Path, name: &str) -> Result<File, ReadError> {
    let io = |source| ReadError::Io { path: name.to_owned(), source };
    let kind = std::fs::metadata(path).map_err(io)?.file_type();
    if !kind.is_file() && !is_open_stream(path) {
        return Err(ReadError::NotAFile { path: name.to_owned(), what: describe(kind) });
    }
    File::open(path).map_err(io)
}

/// Checks that `path` is a file that can be read several times.
///
/// # Errors
/// [`ReadError::NotAFile`] for anything else, standard input too.
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

/// Whether `path` names a file that this process has open already: standard input, or the pipe of `<(command)`.
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
