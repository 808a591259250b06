//! Hashes large files of other stores once, like the tokens of a token store.

use std::path::Path;

use super::StoreError;
use super::file::StoreFile;
use super::format::FileRecord;
use super::reader::HASH_ON_OPEN;
use super::verified::{is_verified, set_verified};

/// The file beside `name` that says that it was compared with its hash.
fn note(name: &str) -> String {
    format!("{name}.verified.json")
}

/// Compares a file with its hash. A large one is only hashed if that was not done since it was last written to.
pub(crate) fn check_large(
    folder: &Path,
    name: &str,
    file: &StoreFile,
    expected: Option<&str>,
) -> Result<(), StoreError> {
    let (stamp, note, hash) = (file.stamp(), note(name), expected.unwrap_or_default());
    if stamp.size <= HASH_ON_OPEN {
        return file.check_hash(expected);
    }
    if !is_verified(folder, &note, stamp, hash) {
        file.check_hash(expected)?;
        set_verified(folder, &note, stamp, hash);
    }
    Ok(())
}

/// Notes that a file, which was hashed while it was written, has its hash.
pub(crate) fn remember_verified(
    folder: &Path,
    name: &str,
    record: &FileRecord,
) -> Result<(), StoreError> {
    if record.size > HASH_ON_OPEN {
        let stamp = StoreFile::open(&folder.join(name))?.stamp();
        set_verified(folder, &note(name), stamp, &record.sha256);
    }
    Ok(())
}
