//! The entries of the registry, and the keys that all configurations share.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use sst_core::checkpoint::Renamed;
use sst_core::{HeadKind, Modality, Model};
use sst_data::Harmless;

use crate::error::ModelError;
use crate::options::BuildOptions;
use crate::plan::{Parts, Plan, Request};
use crate::tower::{ConfigPart, TowerEntry};

/// Keys of every model's config.json that do not define the model. They are written anew when a model is saved.
pub(crate) const COMMON: &[&str] =
    &["model_type", "architectures", "transformers_version", "dtype", "torch_dtype"];

/// Builds a model from its config.json.
type Build = fn(&Value, &BuildOptions, &Parts) -> Result<Box<dyn Model>, ModelError>;

/// The registry's entry for a model.
#[derive(Debug, Clone, Copy)]
pub struct ModelEntry {
    /// The `model_type` of its config.json.
    pub model_type: &'static str,
    /// One line for `sst list`.
    pub summary: &'static str,
    /// The modalities that it has encoders for.
    pub modalities: &'static [Modality],
    /// Whether a token attends only to those before it, and the model generates texts.
    pub is_causal: bool,
    /// The keys of its config.json that are dropout probabilities of the encoder.
    pub dropout: &'static [&'static str],
    /// The architectures that it builds, the default first, without those of task heads.
    pub architectures: &'static [&'static str],
    /// The architectures with a task head, and the kind of that head.
    pub tasks: &'static [(&'static str, HeadKind)],
    /// Its encoders as towers of a dual encoder.
    pub(crate) towers: &'static [TowerEntry],
    /// Every configuration key with its default.
    pub default_config: fn() -> Value,
    /// Checks a config.json without building the model.
    pub(crate) check: fn(&Value) -> Result<(), ModelError>,
    /// Keys of its config.json that do not change what sst computes, each with the reason.
    pub harmless: &'static [Harmless],
    /// Lists the keys of a config.json that the model reads, but that other keys override.
    pub(crate) without_effect: fn(&Value) -> Vec<String>,
    /// The parts of a config.json that are the configurations of towers; [`no_parts`] for a model with one encoder.
    pub(crate) parts: fn(&Value) -> Result<Vec<ConfigPart>, ModelError>,
    pub(crate) build: Build,
    /// The parameter that a tensor stands for in an architecture, whatever release of transformers named it.
    pub(crate) rename: fn(&str, &str) -> Renamed,
    /// Decides which architecture a folder is loaded as, and how each tensor is used.
    pub(crate) plan: fn(&Request<'_>) -> Result<Plan, ModelError>,
}

/// The parts of the config.json of a model with one encoder.
pub(crate) fn no_parts(_config: &Value) -> Result<Vec<ConfigPart>, ModelError> {
    Ok(Vec::new())
}

impl ModelEntry {
    /// The architecture with a task head of this name, and the kind of its head.
    pub(crate) fn task(&self, architecture: Option<&str>) -> Option<(&'static str, HeadKind)> {
        self.tasks.iter().copied().find(|(name, _)| Some(*name) == architecture)
    }

    /// The architecture of a new model whose head of this kind is trained; `None` if models of this type have no such head.
    pub fn architecture_with(&self, kind: HeadKind) -> Option<&'static str> {
        match kind {
            // Models of images have no language-model head.
            HeadKind::LanguageModel | HeadKind::SentencePair
                if self.modalities.contains(&Modality::Image) =>
            {
                None
            }
            HeadKind::LanguageModel => self.architectures.first().copied(),
            HeadKind::Projection(modality) => {
                let is_dual = self.modalities.len() > 1 && self.modalities.contains(&modality);
                self.architectures.first().copied().filter(|_| is_dual)
            }
            HeadKind::SentencePair => {
                self.architectures.iter().copied().find(|name| name.ends_with("ForPreTraining"))
            }
            other => self.task_with(other),
        }
    }

    /// The architecture with this task head.
    pub(crate) fn task_with(&self, head: HeadKind) -> Option<&'static str> {
        self.tasks.iter().find(|(_, kind)| *kind == head).map(|(name, _)| *name)
    }
}

/// The `model_type` of a config.
pub(crate) fn model_type(config: &Value) -> Result<&str, ModelError> {
    config.get("model_type").and_then(Value::as_str).ok_or_else(|| ModelError::Config {
        path: "model_type".into(),
        message: "is missing; it says which model this is, such as \"bert\"".into(),
    })
}

/// Parses a config, without the keys that every model has.
pub(crate) fn parse_config<T: DeserializeOwned>(config: &Value) -> Result<T, ModelError> {
    let model_keys: Map<String, Value> = config
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !COMMON.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    serde_path_to_error::deserialize(Value::Object(model_keys)).map_err(|error| {
        ModelError::Config { path: error.path().to_string(), message: error.inner().to_string() }
    })
}

/// The architecture that `options` ask for, or else the first of the entry.
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

/// The complete config.json: the model's own keys, and those that every model has.
pub(crate) fn saved_config(entry: &ModelEntry, architecture: &str, model_keys: Value) -> Value {
    let mut config = model_keys;
    if let Value::Object(keys) = &mut config {
        keys.insert("model_type".into(), json!(entry.model_type));
        keys.insert("architectures".into(), json!([architecture]));
    }
    config
}
