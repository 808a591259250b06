//! The base model of an adapter: where it is, and whether it is the one that the adapter was trained on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sst_core::BaseModel;
use sst_core::checkpoint::Weights;

use super::{BASE, CONFIG};
use crate::error::ModelError;
use crate::files::read_json;

/// The configuration of a model.
const MODEL_CONFIG: &str = "config.json";
/// The number of bytes that are hashed at a time.
const PART: usize = 1 << 20;
const VERSION: u32 = 1;

/// base_model.json.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    version: u32,
    /// The folder when the adapter was written, for the reader of the file.
    path: String,
    /// The SHA-256 of config.json and of each file of weights.
    sha256: BTreeMap<String, String>,
}

impl Record {
    pub(super) fn of(base: &BaseModel) -> Self {
        let path = base.path.to_string_lossy().into_owned();
        Self { version: VERSION, path, sha256: base.files.clone() }
    }

    /// Reads the record of an adapter; `None` if it has none, as those that PEFT wrote.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ModelError> {
        let path = folder.join(BASE);
        let record: Option<Self> = read_json(&path)?;
        match record {
            Some(Self { version, .. }) if version != VERSION => {
                let message = format!("is of version {version}, and sst reads version {VERSION}");
                Err(ModelError::BadFile { path, message })
            }
            record => Ok(record),
        }
    }

    /// Checks that the base model is the one that this record was made of.
    pub(super) fn check(&self, folder: &Path, base: &BaseModel) -> Result<(), ModelError> {
        let names = self.sha256.keys().chain(base.files.keys());
        match names.into_iter().find(|name| self.sha256.get(*name) != base.files.get(*name)) {
            None => Ok(()),
            Some(name) => Err(ModelError::OtherBase {
                path: folder.join(BASE),
                base: base.path.clone(),
                file: name.clone(),
            }),
        }
    }
}

/// The folder that adapter_config.json of `folder` names as `named`: an absolute path, or a path relative to `folder`
/// or else to the working directory.
pub(super) fn find(folder: &Path, named: Option<&str>) -> Result<PathBuf, ModelError> {
    let path = folder.join(CONFIG);
    let Some(named) = named.filter(|named| !named.is_empty()) else {
        let message =
            "names no base model: set base_model_name_or_path to the folder of the base model";
        return Err(ModelError::BadFile { path, message: message.to_owned() });
    };
    // Joining an absolute path gives that path.
    let places = [folder.join(named), PathBuf::from(named)];
    let Some(found) = places.iter().find(|place| place.join(MODEL_CONFIG).is_file()) else {
        return Err(ModelError::NoBase {
            path,
            named: named.to_owned(),
            folder: folder.to_owned(),
        });
    };
    if super::is_adapter(found) {
        let message = format!(
            "names {} as the base model, which is an adapter itself: merge that one with `sst merge`, and name the \
             result",
            found.display()
        );
        return Err(ModelError::BadFile { path, message });
    }
    found.canonicalize().map_err(|source| ModelError::Io { path: found.clone(), source })
}

/// The base model in `folder`, with the hashes of its files.
pub(crate) fn base_model(folder: &Path, weights: &Weights) -> Result<BaseModel, ModelError> {
    let io = |source| ModelError::Io { path: folder.to_owned(), source };
    let path = folder.canonicalize().map_err(io)?;
    let config = folder.join(MODEL_CONFIG);
    let mut files = BTreeMap::new();
    for file in std::iter::once(&*config).chain(weights.files()) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name, hash(file)?);
    }
    Ok(BaseModel { path, files })
}

/// The SHA-256 of a file.
fn hash(path: &Path) -> Result<String, ModelError> {
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; PART]);
    loop {
        match file.read(&mut buffer).map_err(io)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
