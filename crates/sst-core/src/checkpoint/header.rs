//! The header of a safetensors file.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use safetensors::tensor::Metadata;

use crate::error::CheckpointError;

/// The largest header of a safetensors file, and the largest index of shards, in bytes. A model of 70,000 tensors
/// needs 8 MB; parsing a header of this size takes a few hundred MB.
pub const MAX_HEADER_BYTES: u64 = 32 << 20;

/// The first bytes of a Git LFS pointer, which is in place of a file that was not fetched.
const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// Returns the offset of the first tensor in the file, and the parsed header.
pub(super) fn read(path: &Path, file: &File) -> Result<(u64, Metadata), CheckpointError> {
    let io = |source| CheckpointError::Io { path: path.to_owned(), source };
    let info = file.metadata().map_err(io)?;
    if !info.is_file() {
        return Err(malformed(path, "it is not a regular file"));
    }
    let size = info.len();
    let mut start = Vec::new();
    file.take(LFS_POINTER.len() as u64).read_to_end(&mut start).map_err(io)?;
    if start == LFS_POINTER {
        let reason = "it is a pointer of Git LFS; fetch the file itself with `git lfs pull`";
        return Err(malformed(path, reason));
    }
    let length = start.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
    let length = length.ok_or_else(|| malformed(path, "it ends within its first 8 bytes"))?;
    if length > MAX_HEADER_BYTES {
        let reason = format!("its header would have {length} bytes, more than {MAX_HEADER_BYTES}");
        return Err(malformed(path, &reason));
    }
    let cut = || malformed(path, "it ends within its header");
    let data = 8 + length;
    if data > size {
        return Err(cut());
    }
    let mut header = vec![0; length as usize];
    file.read_exact_at(&mut header, 8).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => cut(),
        _ => io(error),
    })?;
    // Parsing also checks that the tensors follow each other, and that their shapes match their byte counts.
    let header: Metadata = serde_json::from_slice(&header)
        .map_err(|error| malformed(path, &format!("its header does not parse: {error}")))?;
    let ends = header
        .offset_keys()
        .into_iter()
        .filter_map(|name| Some(header.info(&name)?.data_offsets.1));
    let needed = data.saturating_add(ends.max().unwrap_or(0) as u64);
    if needed != size {
        let reason = format!("it has {size} bytes, and its header says {needed}");
        return Err(malformed(path, &reason));
    }
    Ok((data, header))
}

/// The error for a file that is not a complete safetensors file.
pub(super) fn malformed(path: &Path, reason: &str) -> CheckpointError {
    CheckpointError::Malformed { path: path.to_owned(), reason: reason.to_owned() }
}
