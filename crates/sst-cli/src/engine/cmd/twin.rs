//! The twin of a model: a model of the same shape, with the same tokenizer, that was never trained.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use sst_data::{Ledger, atomic};
use sst_models::{BuildOptions, InitOptions, LoadHead, ModelCard, save_folder};
use sst_run::CONFIG;
use sst_run::model::ModelLocation;
use tch::Device;

/// What the evaluators read of a run besides its model.
const OF_RUN: [&str; 2] = [CONFIG, "environment.json"];
/// The ends of the names of weights, and what says where they are.
const WEIGHTS: [&str; 6] = [".safetensors", ".bin", ".index.json", ".h5", ".msgpack", ".onnx"];

/// A model of the shape of `config`, with new random weights from `seed`.
///
/// # Errors
/// If the type of the model is unknown, or libtorch fails.
pub(super) fn build(config: &Value, device: Device, seed: u64) -> Result<Box<dyn sst_core::Model>> {
    let architecture = config.pointer("/architectures/0").and_then(Value::as_str);
    let options = BuildOptions {
        device,
        seed: Some(seed),
        architecture: architecture.map(str::to_owned),
        init: InitOptions::default(),
    };
    Ok(sst_models::build_anew(config, &options)?)
}

/// Writes the twin of the model at `found` below `folder`, in the layout of a run, so that it has the data and the pooling
/// of the model's run. Returns its model folder.
///
/// # Errors
/// If the model cannot be loaded, or a file cannot be read or written.
pub(super) fn write(found: &ModelLocation, folder: &Path, seed: u64) -> Result<PathBuf> {
    // The loading of the model itself counts what is left unused.
    let (model, processor) = found.load(Device::Cpu, LoadHead::AsFound, &Ledger::new())?;
    let twin = build(&model.config(), Device::Cpu, seed)?;
    drop(model);
    if let Some(run) = &found.run {
        for name in OF_RUN {
            copy(&run.join(name), &folder.join(name))?;
        }
    }
    let out = folder.join("checkpoints").join("step-0").join("model");
    let encoder = found.encoder()?;
    copy_without_weights(&found.folder, &out, &encoder)?;
    let inner = encoder.strip_prefix(&found.folder).unwrap_or_else(|_| Path::new(""));
    let tokenizer = processor.tokenizer().ok();
    save_folder(&out.join(inner), &*twin, tokenizer, &ModelCard::default())?;
    Ok(out)
}

/// Copies a folder, without the weights and the adapter in its subfolder `encoder`.
fn copy_without_weights(from: &Path, to: &Path, encoder: &Path) -> Result<()> {
    let entries = std::fs::read_dir(from).with_context(|| from.display().to_string())?;
    for entry in entries {
        let path = entry.with_context(|| from.display().to_string())?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_without_weights(&path, &to.join(name), encoder)?;
            continue;
        }
        let text = name.to_string_lossy();
        let is_weights =
            WEIGHTS.iter().any(|end| text.ends_with(end)) || text.starts_with("adapter_");
        if from != encoder || !is_weights {
            copy(&path, &to.join(name))?;
        }
    }
    Ok(())
}

/// Copies a file if it exists.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_file() {
        return Ok(());
    }
    let bytes = std::fs::read(from).with_context(|| from.display().to_string())?;
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    atomic::write(to, &bytes).with_context(|| to.display().to_string())
}
