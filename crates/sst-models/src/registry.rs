//! The models there are, by `model_type`.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use sst_core::{HeadKind, Model};
use sst_data::Harmless;
use tch::Device;

use crate::error::ModelError;
use crate::heads::labels;
use crate::init::InitOptions;
use crate::plan::{Parts, Plan, Request};
use crate::{bert, gpt2, llama};

/// One line a model.
const MODELS: &[ModelEntry] = &[bert::ENTRY, gpt2::ENTRY, llama::ENTRY];

/// Keys of a config.json that every model has and that do not shape it: not kept as they are, but written anew.
pub(crate) const COMMON: &[&str] =
    &["model_type", "architectures", "transformers_version", "dtype", "torch_dtype"];

/// Builds a model from its config.json.
type Build = fn(&Value, &BuildOptions, &Parts) -> Result<Box<dyn Model>, ModelError>;

/// What the registry knows of a model.
#[derive(Debug, Clone, Copy)]
pub struct ModelEntry {
    /// The `model_type` of its config.json.
    pub model_type: &'static str,
    /// A line for `sst list`.
    pub summary: &'static str,
    /// The architectures it builds, the default first, without those of tasks.
    pub architectures: &'static [&'static str],
    /// The architectures with the head of a task, and that head.
    pub tasks: &'static [(&'static str, HeadKind)],
    /// Every configuration key with its default.
    pub default_config: fn() -> Value,
    /// Checks a config.json without building the model.
    pub(crate) check: fn(&Value) -> Result<(), ModelError>,
    /// Keys of its config.json that do not matter to sst, each with the reason.
    pub harmless: &'static [Harmless],
    /// Keys of a config.json that the model knows and that have no effect beside the others.
    pub(crate) without_effect: fn(&Value) -> Vec<String>,
    pub(crate) build: Build,
    /// Which architecture a folder is loaded as, and what its tensors are.
    pub(crate) plan: fn(&Request<'_>) -> Result<Plan, ModelError>,
}

impl ModelEntry {
    /// The architecture of a task of this name, and its head.
    pub(crate) fn task(&self, architecture: Option<&str>) -> Option<(&'static str, HeadKind)> {
        self.tasks.iter().copied().find(|(name, _)| Some(*name) == architecture)
    }

    /// The architecture of a task with this head.
    pub(crate) fn task_with(&self, head: HeadKind) -> Option<&'static str> {
        self.tasks.iter().find(|(_, kind)| *kind == head).map(|(name, _)| *name)
    }
}

/// How a model is made.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Where its parameters live.
    pub device: Device,
    /// Seeds the first values; `None` leaves zeros, for a model that is loaded next.
    pub seed: Option<u64>,
    /// One of the architectures of its type, or the default.
    pub architecture: Option<String>,
    /// How weights start, where not as usual.
    pub init: InitOptions,
}

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

/// Builds the model that `config` describes: the content of a config.json, `model_type` included.
/// Unlike [`crate::load`], it refuses keys it does not know, for they are most likely misspelt.
///
/// # Errors
/// If the type is unknown, or a key is unknown, of the wrong type or cannot be.
pub fn build(config: &Value, options: &BuildOptions) -> Result<Box<dyn Model>, ModelError> {
    let entry = entry(model_type(config)?)?;
    let known = (entry.default_config)();
    let of_task = match entry.task(options.architecture.as_deref()) {
        Some(_) => labels::KEYS,
        None => &[],
    };
    let is_known =
        |key: &str| known.get(key).is_some() || COMMON.contains(&key) || of_task.contains(&key);
    let unknown = config.as_object().into_iter().flat_map(Map::keys).find(|key| !is_known(key));
    if let Some(key) = unknown {
        let keys = known.as_object().into_iter().flat_map(Map::keys);
        let keys: Vec<String> = keys.map(|key| format!("`{key}`")).collect();
        return Err(ModelError::Config {
            path: key.clone(),
            message: format!("unknown field `{key}`, expected one of {}", keys.join(", ")),
        });
    }
    (entry.build)(config, options, &Parts::NEW)
}

/// Checks the content of a config.json as [`build`] does, without building the model.
///
/// # Errors
/// If the type is unknown, or a key is of the wrong type or cannot be.
pub fn check_config(config: &Value) -> Result<(), ModelError> {
    (entry(model_type(config)?)?.check)(config)
}

/// The `model_type` of a config.
pub(crate) fn model_type(config: &Value) -> Result<&str, ModelError> {
    config.get("model_type").and_then(Value::as_str).ok_or_else(|| ModelError::Config {
        path: "model_type".into(),
        message: "is missing; it says which model this is, such as \"bert\"".into(),
    })
}

/// The serde form of a config, without the keys that every model has.
pub(crate) fn parse_config<T: DeserializeOwned>(config: &Value) -> Result<T, ModelError> {
    let own: Map<String, Value> = config
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !COMMON.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    serde_path_to_error::deserialize(Value::Object(own)).map_err(|error| ModelError::Config {
        path: error.path().to_string(),
        message: error.inner().to_string(),
    })
}

/// The architecture that `options` ask for, or the first of the entry.
pub(crate) fn architecture(
    entry: &ModelEntry,
    options: &BuildOptions,
) -> Result<&'static str, ModelError> {
    let known = entry.architectures;
    let wanted = options.architecture.as_deref().unwrap_or(known[0]);
    let all: Vec<&'static str> =
        known.iter().copied().chain(entry.tasks.iter().map(|(name, _)| *name)).collect();
    all.iter().copied().find(|name| *name == wanted).ok_or_else(|| ModelError::Config {
        path: "architectures".into(),
        message: format!("`{wanted}` is none of {}", all.join(", ")),
    })
}

/// A model's own keys with those that every config.json has.
pub(crate) fn saved_config(entry: &ModelEntry, architecture: &str, own: Value) -> Value {
    let mut config = own;
    if let Value::Object(keys) = &mut config {
        keys.insert("model_type".into(), json!(entry.model_type));
        keys.insert("architectures".into(), json!([architecture]));
    }
    config
}
