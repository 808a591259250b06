//! `MANIFEST.json`: what a whole checkpoint holds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files;
use crate::error::TrainError;

const VERSION: u32 = 1;

/// How closely files are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Whether they are there in full length: quick, whatever their size.
    Lengths,
    /// Every byte.
    Content,
}

/// Length and hash of every file of a checkpoint but itself. Written last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    version: u32,
    step: u64,
    /// By path inside the checkpoint, with `/`.
    files: BTreeMap<String, Record>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    bytes: u64,
    sha256: String,
}

impl Manifest {
    /// The manifest of what lies in `folder` now. Every file and folder in it is synced to the disk.
    pub(super) fn seal(folder: &Path, step: u64) -> Result<Self, TrainError> {
        let mut files = BTreeMap::new();
        walk(folder, "", &mut files)?;
        Ok(Self { version: VERSION, step, files })
    }

    /// Reads the manifest in `folder` and compares everything it names.
    pub(super) fn verify(folder: &Path, step: u64, depth: Depth) -> Result<(), TrainError> {
        let path = folder.join(files::MANIFEST);
        let manifest: Self = files::read_json(&path)?;
        if (manifest.version, manifest.step) != (VERSION, step) {
            let reason = format!(
                "it is of version {} and step {}, not of version {VERSION} and step {step}",
                manifest.version, manifest.step
            );
            return Err(TrainError::broken(&path, reason));
        }
        // A manifest that names too little would call a checkpoint whole that cannot be resumed.
        for name in [files::OPTIMIZER, files::OBJECTIVE, files::TRAINER] {
            if !manifest.files.contains_key(name) {
                return Err(TrainError::broken(&path, format!("it does not name {name}")));
            }
        }
        for (name, record) in &manifest.files {
            let path = folder.join(name);
            // The length first: it is cheap, and a cut-off file is the common case.
            let bytes = path.metadata().map_err(TrainError::io(&path))?.len();
            if bytes != record.bytes {
                let reason = format!("it has {bytes} bytes and was written with {}", record.bytes);
                return Err(TrainError::broken(&path, reason));
            }
            if depth == Depth::Content && hash(&path)?.sha256 != record.sha256 {
                return Err(TrainError::broken(&path, "its content changed since it was written"));
            }
        }
        Ok(())
    }
}

fn walk(
    folder: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Record>,
) -> Result<(), TrainError> {
    for entry in folder.read_dir().map_err(TrainError::io(folder))? {
        let path = entry.map_err(TrainError::io(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(TrainError::broken(&path, "its name is not UTF-8"));
        };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            walk(&path, &format!("{name}/"), files)?;
        } else {
            files.insert(name, hash(&path)?);
            sync(&path)?;
        }
    }
    sync(folder)
}

fn sync(path: &Path) -> Result<(), TrainError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(TrainError::io(path))
}

fn hash(path: &Path) -> Result<Record, TrainError> {
    let mut file = File::open(path).map_err(TrainError::io(path))?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer).map_err(TrainError::io(path))?;
        if n == 0 {
            let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok(Record { bytes, sha256 });
        }
        hash.update(&buffer[..n]);
        bytes += n as u64;
    }
}
