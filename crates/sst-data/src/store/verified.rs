//! Remembers which large token files were compared with their hash. Hashing one takes minutes, and once is enough as
//! long as the file is not written to.

use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::file::Stamp;
use crate::atomic;

/// The name of the file in the folder of a token store.
pub(super) const VERIFIED: &str = "verified.json";

/// The size, the time of change and the hash of a file that was compared with the manifest.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Verified {
    size: u64,
    modified_ns: u64,
    sha256: String,
}

impl Verified {
    fn of(stamp: Stamp, sha256: &str) -> Option<Self> {
        let since = stamp.modified?.duration_since(UNIX_EPOCH).ok()?;
        let modified_ns = u64::try_from(since.as_nanos()).ok()?;
        Some(Self { size: stamp.size, modified_ns, sha256: sha256.to_owned() })
    }
}

/// Whether a file of `folder`, with this size and time of change, was already found to have this hash. `note` is the name
/// of the file that says so.
pub(super) fn is_verified(folder: &Path, note: &str, stamp: Stamp, sha256: &str) -> bool {
    let text = std::fs::read(folder.join(note)).unwrap_or_default();
    let found = serde_json::from_slice::<Verified>(&text).ok();
    found.is_some() && found == Verified::of(stamp, sha256)
}

/// Writes to the file `note` that a file has this hash.
pub(super) fn set_verified(folder: &Path, note: &str, stamp: Stamp, sha256: &str) {
    let Some(text) = Verified::of(stamp, sha256).and_then(|v| serde_json::to_vec(&v).ok()) else {
        return;
    };
    // In a cache that cannot be written to, the file is verified each time.
    if let Err(error) = atomic::write(&folder.join(note), &text) {
        tracing::debug!("cannot record that {} was verified: {error}", folder.display());
    }
}
