//! `MANIFEST.json`: what a whole checkpoint holds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files;
use crate::error::TrainError;

const VERSION: u32 = 2;
/// Had no seal.
const UNSEALED: u32 = 1;
/// What every checkpoint has. A manifest that names too little would call a checkpoint whole that is not.
const ALWAYS: [&str; 4] = [files::OPTIMIZER, files::OBJECTIVE, files::TRAINER, files::MODEL_CONFIG];
/// What `sst pretrain` writes besides: without a seal, only this tells that a name was lost.
const BESIDES: [&str; 3] =
    ["model/tokenizer.json", "model/tokenizer_config.json", "model/README.md"];

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
    /// The SHA-256 of all above, so that a name that is missing is noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
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
        let open = Self { version: VERSION, step, files, seal: None };
        Ok(Self { seal: Some(open.hash()), ..open })
    }

    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{}\n{}\n", self.version, self.step));
        for (name, Record { bytes, sha256 }) in &self.files {
            hash.update(format!("{name}\n{bytes}\n{sha256}\n"));
        }
        hex(&hash.finalize())
    }

    /// The step that the manifest in `folder` tells; `None` if there is no manifest.
    pub(super) fn step_of(folder: &Path) -> Result<Option<u64>, TrainError> {
        let path = folder.join(files::MANIFEST);
        if !path.is_file() {
            return Ok(None);
        }
        let manifest: Self = files::read_json(&path)?;
        Ok(Some(manifest.step))
    }

    /// Whether `name`, a path inside the checkpoint, was written with it.
    pub(super) fn names(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// Reads the manifest in `folder` and compares everything it names.
    pub(super) fn verify(folder: &Path, step: u64, depth: Depth) -> Result<Self, TrainError> {
        let path = folder.join(files::MANIFEST);
        if !path.exists() {
            return Err(TrainError::broken(&path, "it is missing, so the checkpoint is not whole"));
        }
        let manifest: Self = files::read_json(&path)?;
        let known = [VERSION, UNSEALED].contains(&manifest.version);
        if !known || manifest.step != step {
            let reason = format!(
                "it is of version {} and step {}, not of version {VERSION} and step {step}",
                manifest.version, manifest.step
            );
            return Err(TrainError::broken(&path, reason));
        }
        let unsealed = manifest.version == UNSEALED && manifest.seal.is_none();
        if !unsealed && manifest.seal.as_ref() != Some(&manifest.hash()) {
            return Err(TrainError::broken(&path, "it changed since it was written"));
        }
        let besides = if unsealed { &BESIDES[..] } else { &[] };
        if let Some(name) = ALWAYS.iter().chain(besides).find(|name| !manifest.names(name)) {
            return Err(TrainError::broken(&path, format!("it does not name {name}")));
        }
        if !manifest.names(files::WEIGHTS_FILE) && !manifest.names(files::ADAPTER_FILE) {
            let name = files::WEIGHTS_FILE;
            return Err(TrainError::broken(&path, format!("it does not name {name}")));
        }
        for (name, record) in &manifest.files {
            let path = folder.join(name);
            // The length first: it is cheap, and a cut-off file is the common case.
            let bytes = match path.metadata() {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let reason = "it is missing, and the checkpoint was written with it";
                    return Err(TrainError::broken(&path, reason));
                }
                Err(error) => return Err(TrainError::io(&path)(error)),
            };
            if bytes != record.bytes {
                let reason = format!("it has {bytes} bytes and was written with {}", record.bytes);
                return Err(TrainError::broken(&path, reason));
            }
            if depth == Depth::Content && hash(&path)?.sha256 != record.sha256 {
                return Err(TrainError::broken(&path, "its content changed since it was written"));
            }
        }
        Ok(manifest)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
            return Ok(Record { bytes, sha256: hex(&hash.finalize()) });
        }
        hash.update(&buffer[..n]);
        bytes += n as u64;
    }
}
