//! Trained tokenizers in the cache. A file of hashes lies beside each one and is verified before the tokenizer is
//! used.

use std::path::Path;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sst_data::tokenize::Tokenizer;

use crate::error::{Result, RunError};

/// The file that holds the SHA-256 of every other file of the folder, by name.
const HASHES: &str = "sha256.json";

/// Writes the hashes of all files of `folder`.
///
/// # Errors
/// If a file cannot be read or written.
pub(crate) fn seal(folder: &Path) -> Result<()> {
    let mut hashes = Map::new();
    for entry in std::fs::read_dir(folder).map_err(RunError::io("read", folder))? {
        let path = entry.map_err(RunError::io("read", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        hashes.insert(name, Value::String(hash(&path)?));
    }
    let path = folder.join(HASHES);
    let text = Value::Object(hashes).to_string() + "\n";
    sst_data::atomic::write(&path, text.as_bytes()).map_err(RunError::io("write", &path))
}

/// Loads the tokenizer in `folder`.
///
/// # Errors
/// If a file has changed since it was written, or the folder holds no tokenizer.
pub(crate) fn load(folder: &Path) -> Result<Tokenizer> {
    let path = folder.join(HASHES);
    let text = std::fs::read_to_string(&path).map_err(RunError::io("read", &path))?;
    let hashes: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|error| RunError::content(&path, format!("is damaged: {error}")))?;
    if !hashes.contains_key("tokenizer.json") {
        return Err(RunError::content(&path, "does not name tokenizer.json"));
    }
    for (name, expected) in &hashes {
        let file = folder.join(name);
        if Some(hash(&file)?.as_str()) != expected.as_str() {
            return Err(RunError::content(&file, "has changed since it was written"));
        }
    }
    Ok(Tokenizer::load(folder)?)
}

fn hash(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(RunError::io("read", path))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
