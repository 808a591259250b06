//! What lies where in a checkpoint.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::TrainError;

/// The Hugging Face folder.
pub(crate) const MODEL: &str = "model";
/// The model's weights.
pub(crate) const WEIGHTS_FILE: &str = "model/model.safetensors";
/// The weights of a model with an adapter, in place of `WEIGHTS_FILE`.
pub(crate) const ADAPTER_FILE: &str = "model/adapter_model.safetensors";
/// The model's configuration.
pub(crate) const MODEL_CONFIG: &str = "model/config.json";
/// What only a resumed run needs.
pub(crate) const STATE: &str = "state";
/// The optimiser's named tensors.
pub(crate) const OPTIMIZER: &str = "state/optimizer.safetensors";
/// The objective's parameters and state.
pub(crate) const OBJECTIVE: &str = "state/objective.safetensors";
/// The average of the weights, if there is one.
pub(crate) const EMA: &str = "state/ema.safetensors";
/// The weights that are trained, where `model/` holds their average. Of a model with an adapter, those of the adapter.
pub(crate) const WEIGHTS: &str = "state/model.safetensors";
/// Steps, position, sums, ledger.
pub(crate) const TRAINER: &str = "state/trainer.json";
/// Length and SHA-256 of every other file.
pub(crate) const MANIFEST: &str = "MANIFEST.json";

/// Writes `value` as indented JSON, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TrainError> {
    let error = |reason: serde_json::Error| TrainError::Io {
        path: path.to_owned(),
        source: std::io::Error::other(reason),
    };
    let mut text = serde_json::to_string_pretty(value).map_err(error)?;
    text.push('\n');
    sst_data::atomic::write(path, text.as_bytes()).map_err(TrainError::io(path))
}

/// Reads JSON.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, TrainError> {
    let text = std::fs::read(path).map_err(TrainError::io(path))?;
    serde_json::from_slice(&text).map_err(does_not_parse(path))
}

/// Takes the JSON of `path` for what it should be.
pub(crate) fn parse_json<T: DeserializeOwned>(
    path: &Path,
    value: serde_json::Value,
) -> Result<T, TrainError> {
    serde_json::from_value(value).map_err(does_not_parse(path))
}

fn does_not_parse(path: &Path) -> impl FnOnce(serde_json::Error) -> TrainError + '_ {
    move |error| TrainError::broken(path, format!("it does not parse: {error}"))
}
