//! The files of a checkpoint.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::TrainError;

/// The Hugging Face model folder.
pub(crate) const MODEL: &str = "model";
/// The weights of the model.
pub(crate) const WEIGHTS_FILE: &str = "model/model.safetensors";
/// The weights of a model with an adapter, in place of `WEIGHTS_FILE`.
pub(crate) const ADAPTER_FILE: &str = "model/adapter_model.safetensors";
/// The configuration of the model.
pub(crate) const MODEL_CONFIG: &str = "model/config.json";
/// The folder of the files that only a resumed run needs.
pub(crate) const STATE: &str = "state";
/// The named tensors of the optimiser.
pub(crate) const OPTIMIZER: &str = "state/optimizer.safetensors";
/// The parameters and states of the objectives.
pub(crate) const OBJECTIVE: &str = "state/objective.safetensors";
/// The moving average of the weights, if the run has one.
pub(crate) const EMA: &str = "state/ema.safetensors";
/// The weights that are trained, if `model/` holds their moving average. For a model with an adapter, those of the
/// adapter.
pub(crate) const WEIGHTS: &str = "state/model.safetensors";
/// The state that is not tensors: [`crate::TrainerState`].
pub(crate) const TRAINER: &str = "state/trainer.json";
/// The length and the SHA-256 of every other file.
pub(crate) const MANIFEST: &str = "MANIFEST.json";

/// Writes `value` as indented JSON. After an error there is no incomplete file.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TrainError> {
    let error = |reason: serde_json::Error| TrainError::Io {
        path: path.to_owned(),
        source: std::io::Error::other(reason),
    };
    let mut text = serde_json::to_string_pretty(value).map_err(error)?;
    text.push('\n');
    sst_data::atomic::write(path, text.as_bytes()).map_err(TrainError::io(path))
}

/// Reads a value from a JSON file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, TrainError> {
    let text = std::fs::read(path).map_err(TrainError::io(path))?;
    serde_json::from_slice(&text).map_err(parse_error(path))
}

/// Parses a value from the JSON of the file `path`.
pub(crate) fn parse_json<T: DeserializeOwned>(
    path: &Path,
    value: serde_json::Value,
) -> Result<T, TrainError> {
    serde_json::from_value(value).map_err(parse_error(path))
}

/// A function for `map_err` that turns an error of the JSON parser into [`TrainError::Broken`].
fn parse_error(path: &Path) -> impl FnOnce(serde_json::Error) -> TrainError + '_ {
    move |error| TrainError::broken(path, format!("it cannot be parsed: {error}"))
}
