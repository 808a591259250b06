//! Folders of adapters in PEFT's format: adapter_config.json and adapter_model.safetensors, and a base model that lies
//! elsewhere. sst also writes config.json, which names the classes of a head, and base_model.json, which has the hashes
//! of the base model's files.

mod base;
mod config;
mod folder;
mod write;

use std::path::{Path, PathBuf};

use sst_core::Model;

use crate::error::ModelError;

pub(crate) use base::base_model;
pub(crate) use folder::AdapterFolder;
pub(crate) use write::AdapterFiles;

/// The configuration of an adapter.
pub(crate) const CONFIG: &str = "adapter_config.json";
/// The weights of an adapter.
pub(crate) const WEIGHTS: &str = "adapter_model.safetensors";
/// The hashes of the base model's files.
pub(crate) const BASE: &str = "base_model.json";

/// Whether the folder holds an adapter: an adapter_config.json.
pub fn is_adapter(folder: &Path) -> bool {
    folder.join(CONFIG).is_file()
}

/// The folder of the base model of the adapter in `folder`.
///
/// # Errors
/// If adapter_config.json cannot be read, or the base model is not found.
pub fn adapter_base(folder: &Path) -> Result<PathBuf, ModelError> {
    base::find(folder, config::AdapterConfig::read(folder)?.0.base.as_deref())
}

/// Checks that the base model of `model`, if it has an adapter, is the one that the adapter in `folder` was trained on.
///
/// # Errors
/// If a file of the base model has another hash than base_model.json of the folder says, or that cannot be read.
pub fn check_base(folder: &Path, model: &dyn Model) -> Result<(), ModelError> {
    match (model.params().adapter(), base::Record::read(folder)?) {
        (Some(adapter), Some(record)) => record.check(folder, &adapter.base),
        _ => Ok(()),
    }
}

/// Files of a tokenizer.
const TOKENIZER: [&str; 5] =
    ["tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "tokenizer_config.json"];

/// The folder that holds the tokenizer of a model folder: the folder itself, or that of the base model for an adapter
/// without a tokenizer.
///
/// # Errors
/// As for [`adapter_base`].
pub fn tokenizer_folder(folder: &Path) -> Result<PathBuf, ModelError> {
    folder_with(folder, &TOKENIZER)
}

/// The folder of an adapter if it holds one of these files, or else that of its base model. Any other folder as it is.
pub(crate) fn folder_with(folder: &Path, names: &[&str]) -> Result<PathBuf, ModelError> {
    match !is_adapter(folder) || names.iter().any(|name| folder.join(name).is_file()) {
        true => Ok(folder.to_owned()),
        false => adapter_base(folder),
    }
}
