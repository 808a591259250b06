//! Memory-mapped files.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps a file for reading.
///
/// sst never writes a file in place, so a mapped file changes only if another program breaks that rule;
/// a file that such a program truncates while it is mapped ends the process with a bus error.
///
/// # Errors
/// Any I/O error.
pub fn map_file(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: see above; the mapping is read-only and private to this process.
    unsafe { Mmap::map(&file) }
}
