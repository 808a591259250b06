//! `MANIFEST.json`: the files of a checkpoint with their lengths and hashes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files;
use crate::error::TrainError;

/// The version of a manifest that is written now.
const VERSION: u32 = 2;
/// The version of a manifest without a seal.
const UNSEALED: u32 = 1;
/// The files that every checkpoint has, besides the weights of the model or of its adapter. Without this list, a
/// checkpoint would count as complete if its manifest had lost an entry.
const REQUIRED: [&str; 4] =
    [files::OPTIMIZER, files::OBJECTIVE, files::TRAINER, files::MODEL_CONFIG];
/// Further files that `sst pretrain` always writes. They are required in a manifest without a seal, which would not
/// show that an entry is missing.
const REQUIRED_IF_UNSEALED: [&str; 3] =
    ["model/tokenizer.json", "model/tokenizer_config.json", "model/README.md"];

/// How closely the files of a checkpoint are compared with the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Their lengths. This is fast for files of any size.
    Lengths,
    /// Every byte.
    Content,
}

/// The manifest of a checkpoint, with the length and the hash of every other file. It is the last file to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    version: u32,
    step: u64,
    /// The files by their path inside the checkpoint, with `/` as the separator.
    files: BTreeMap<String, Record>,
    /// The SHA-256 of all other fields, which shows whether an entry is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
}

/// The length and the hash of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    bytes: u64,
    sha256: String,
}

impl Manifest {
    /// Makes the manifest of all files in `folder`, and syncs every file and folder in it to the disk.
    pub(super) fn seal(folder: &Path, step: u64) -> Result<Self, TrainError> {
        let mut files = BTreeMap::new();
        add_files(folder, "", &mut files)?;
        let unsealed = Self { version: VERSION, step, files, seal: None };
        Ok(Self { seal: Some(unsealed.hash()), ..unsealed })
    }

    /// The SHA-256 of all fields but the seal.
    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{}\n{}\n", self.version, self.step));
        for (name, Record { bytes, sha256 }) in &self.files {
            hash.update(format!("{name}\n{bytes}\n{sha256}\n"));
        }
        hex(&hash.finalize())
    }

    /// The step in the manifest in `folder`; `None` if there is no manifest.
    pub(super) fn step_of(folder: &Path) -> Result<Option<u64>, TrainError> {
        let path = folder.join(files::MANIFEST);
        if !path.is_file() {
            return Ok(None);
        }
        let manifest: Self = files::read_json(&path)?;
        Ok(Some(manifest.step))
    }

    /// Whether the file `name`, a path inside the checkpoint, was written with the checkpoint.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// Reads the manifest in `folder`, which must be of step `step`, and compares all files with it.
    ///
    /// # Errors
    /// If the manifest or a file is missing or differs.
    pub(super) fn verify(folder: &Path, step: u64, depth: Depth) -> Result<Self, TrainError> {
        let path = folder.join(files::MANIFEST);
        if !path.exists() {
            return Err(TrainError::broken(&path, "it is missing, so the checkpoint is not whole"));
        }
        let manifest: Self = files::read_json(&path)?;
        let is_known = [VERSION, UNSEALED].contains(&manifest.version);
        if !is_known || manifest.step != step {
            let reason = format!(
                "it has version {} and step {}, and version {VERSION} and step {step} are expected",
                manifest.version, manifest.step
            );
            return Err(TrainError::broken(&path, reason));
        }
        let is_unsealed = manifest.version == UNSEALED && manifest.seal.is_none();
        if !is_unsealed && manifest.seal.as_ref() != Some(&manifest.hash()) {
            return Err(TrainError::broken(&path, "it changed since it was written"));
        }
        let weights = match manifest.lists(files::ADAPTER_FILE) {
            true => files::ADAPTER_FILE,
            false => files::WEIGHTS_FILE,
        };
        let further = if is_unsealed { &REQUIRED_IF_UNSEALED[..] } else { &[] };
        let required = REQUIRED.iter().chain([&weights]).chain(further);
        if let Some(name) = required.copied().find(|name| !manifest.lists(name)) {
            return Err(TrainError::broken(&path, format!("it does not list {name}")));
        }
        for (name, record) in &manifest.files {
            let path = folder.join(name);
            // The length is compared first, because that is fast and most damaged files are too short.
            let bytes = match path.metadata() {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let reason = "the file is missing from the checkpoint";
                    return Err(TrainError::broken(&path, reason));
                }
                Err(error) => return Err(TrainError::io(&path)(error)),
            };
            if bytes != record.bytes {
                let reason =
                    format!("it has {bytes} bytes, and had {} when it was written", record.bytes);
                return Err(TrainError::broken(&path, reason));
            }
            if depth == Depth::Content && hash(&path)?.sha256 != record.sha256 {
                return Err(TrainError::broken(&path, "its content changed since it was written"));
            }
        }
        Ok(manifest)
    }
}

/// The bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds all files in `folder` to `files`, with `prefix` before their names, and syncs all of them and `folder`.
fn add_files(
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
            add_files(&path, &format!("{name}/"), files)?;
        } else {
            files.insert(name, hash(&path)?);
            sync(&path)?;
        }
    }
    sync(folder)
}

/// Writes a file or a folder to the disk (fsync).
fn sync(path: &Path) -> Result<(), TrainError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(TrainError::io(path))
}

/// The length and the hash of a file.
fn hash(path: &Path) -> Result<Record, TrainError> {
    let mut file = File::open(path).map_err(TrainError::io(path))?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer).map_err(TrainError::io(path))?;
        if n == 0 {
            return Ok(Record { bytes, sha256: hex(&hash.finalize()) });
        }
        hash.update(&buffer[..n]);
        bytes += n as u64;
    }
}
