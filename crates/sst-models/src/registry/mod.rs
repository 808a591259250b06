//! The registry of models, by `model_type`.

pub(crate) mod vision_text;

use serde_json::{Map, Value};
use sst_core::Model;

use crate::entry::{COMMON, model_type};
use crate::error::ModelError;
use crate::heads::labels;
use crate::plan::Parts;
use crate::tower::{ConfigPart, TowerEntry};
use crate::{bert, clip, gpt2, llama, siglip, vit, vit_mae};

pub use crate::entry::ModelEntry;
pub use crate::options::BuildOptions;

/// One entry for each model.
const MODELS: &[ModelEntry] = &[
    bert::ENTRY,
    gpt2::ENTRY,
    llama::ENTRY,
    vit::ENTRY,
    vit_mae::ENTRY,
    clip::ENTRY,
    siglip::ENTRY,
    vision_text::ENTRY,
];

/// All models.
pub fn list() -> &'static [ModelEntry] {
    MODELS
}

/// The entry of `model_type`.
pub(crate) fn entry(model_type: &str) -> Result<&'static ModelEntry, ModelError> {
    MODELS.iter().find(|entry| entry.model_type == model_type).ok_or_else(|| {
        ModelError::UnknownType {
            model_type: model_type.to_owned(),
            known: MODELS.iter().map(|entry| entry.model_type).collect(),
        }
    })
}

/// Builds the model that `config`, the content of a config.json with `model_type`, describes. Unlike [`crate::load`],
/// it refuses unknown keys, as they are most likely misspelt.
///
/// # Errors
/// If the type is unknown, or a key is unknown or its value has the wrong type or is out of range.
pub fn build(config: &Value, options: &BuildOptions) -> Result<Box<dyn Model>, ModelError> {
    let entry = entry(model_type(config)?)?;
    let known = (entry.default_config)();
    let task_keys = match entry.task(options.architecture.as_deref()) {
        Some(_) => labels::KEYS,
        None => &[],
    };
    let is_known =
        |key: &str| known.get(key).is_some() || COMMON.contains(&key) || task_keys.contains(&key);
    refuse_unknown("", config, &known, is_known)?;
    for ConfigPart { key, value, tower } in (entry.parts)(config)? {
        check_known(key, &value, tower)?;
    }
    (entry.build)(config, options, &Parts::NEW)
}

/// Refuses keys of the configuration of a tower that it does not have. `part` is the key of the configuration.
pub(crate) fn check_known(
    part: &str,
    config: &Value,
    tower: &TowerEntry,
) -> Result<(), ModelError> {
    let known = (tower.default_config)();
    let is_known = |key: &str| known.get(key).is_some() || COMMON.contains(&key);
    refuse_unknown(&format!("{part}."), config, &known, is_known)
}

/// Refuses the keys of `config` that `is_known` is false for. `start` comes before their names in the error, which lists
/// the keys `known`.
fn refuse_unknown(
    start: &str,
    config: &Value,
    known: &Value,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), ModelError> {
    let unknown = config.as_object().into_iter().flat_map(Map::keys).find(|key| !is_known(key));
    let Some(key) = unknown else { return Ok(()) };
    let keys = known.as_object().into_iter().flat_map(Map::keys);
    let keys: Vec<String> = keys.map(|key| format!("`{key}`")).collect();
    Err(ModelError::Config {
        path: format!("{start}{key}"),
        message: format!("unknown field `{key}`, expected one of {}", keys.join(", ")),
    })
}

/// Builds a model of the shape that `config`, the config.json of a loaded model, describes, with new initial values. Like
/// [`crate::load`], it passes over keys that sst does not know.
///
/// # Errors
/// If the type is unknown, or the value of a key is out of range.
pub fn build_anew(config: &Value, options: &BuildOptions) -> Result<Box<dyn Model>, ModelError> {
    let entry = entry(model_type(config)?)?;
    let known = (entry.default_config)();
    let is_known = |key: &str| {
        known.get(key).is_some() || COMMON.contains(&key) || labels::KEYS.contains(&key)
    };
    let keys = config.as_object().into_iter().flatten();
    let kept = keys.filter(|(key, _)| is_known(key));
    let kept = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
    (entry.build)(&Value::Object(kept), options, &Parts::NEW)
}

/// Checks the content of a config.json as [`build`] does, without building the model.
///
/// # Errors
/// If the type is unknown, or the value of a key has the wrong type or is out of range.
pub fn check_config(config: &Value) -> Result<(), ModelError> {
    (entry(model_type(config)?)?.check)(config)
}
