//! The towers of dual encoders.

use serde_json::{Value, json};
use sst_core::checkpoint::Renamed;
use sst_core::{Encoder, Modality, Scope};
use sst_data::Harmless;

use super::pool::Pool;
use super::{TEXT, TEXT_CONFIG, VISION, VISION_CONFIG};
use crate::error::{ModelError, bad};
use crate::registry;

/// An encoder of a model as a tower of a dual encoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TowerEntry {
    /// The `model_type` of its part of a config.json.
    pub(crate) model_type: &'static str,
    pub(crate) modality: Modality,
    /// Every configuration key with its default.
    pub(crate) default_config: fn() -> Value,
    /// Checks the configuration without building the tower.
    pub(crate) check: fn(&Value) -> Result<(), ModelError>,
    /// Keys of the configuration that do not change what sst computes, each with the reason.
    pub(crate) harmless: &'static [Harmless],
    /// Makes the parameters in a scope, from the configuration.
    pub(crate) build: fn(&Scope<'_>, &Value) -> Result<Tower, ModelError>,
    /// The configuration of the tower, from the config.json of the model that it is a part of.
    pub(crate) config: fn(&Value) -> Value,
    /// The parameter of the tower that a tensor of a folder of the model stands for.
    pub(crate) rename: fn(&str) -> Renamed,
    /// Prefixes of the parameters that a folder may lack, because transformers makes them for the tower alone.
    pub(crate) new: &'static [&'static str],
}

/// A tower.
pub(crate) struct Tower {
    pub(crate) encoder: Box<dyn TowerEncoder>,
    /// Makes one vector of the hidden states of a row.
    pub(crate) pool: Box<dyn Pool>,
    /// The width of that vector.
    pub(crate) pooled_width: i64,
    /// The prefix of the names of the layers' parameters, after that of the tower.
    pub(crate) layers: &'static str,
    /// How many layers there are.
    pub(crate) depth: usize,
    /// The configuration, complete but for the `model_type`.
    pub(crate) config: Value,
}

/// The encoder of a tower.
pub(crate) trait TowerEncoder: Encoder + Send {
    /// Turns on activation checkpointing for the layers that `select` returns true for. Returns their number.
    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize;
}

/// The configuration of a tower with its `model_type`.
pub(crate) fn with_type(mut config: Value, model_type: &str) -> Value {
    if let Value::Object(keys) = &mut config {
        keys.insert("model_type".to_owned(), json!(model_type));
    }
    config
}

/// The module of the tower of this modality, and the key of its configuration.
pub(super) fn names(modality: Modality) -> (&'static str, &'static str) {
    match modality {
        Modality::Text => (TEXT, TEXT_CONFIG),
        Modality::Image => (VISION, VISION_CONFIG),
    }
}

/// The tower of this modality whose configuration has this type.
pub(super) fn of_type(
    modality: Modality,
    model_type: &str,
) -> Result<&'static TowerEntry, ModelError> {
    let all = || registry::list().iter().flat_map(|entry| entry.towers);
    let of_modality = |tower: &&TowerEntry| tower.modality == modality;
    let found = all().filter(of_modality).find(|tower| tower.model_type == model_type);
    found.ok_or_else(|| {
        let mut known: Vec<&str> = all().filter(of_modality).map(|t| t.model_type).collect();
        known.dedup();
        let (_, key) = names(modality);
        let message = format!(
            "there is no {modality} tower of type `{model_type}`; sst has {}",
            known.join(", ")
        );
        bad(&format!("{key}.model_type"), &message)
    })
}

/// The tower of this modality of a model whose config.json has this type: a whole model, or the tower alone.
pub(super) fn of_model(
    modality: Modality,
    model_type: &str,
) -> Result<(&'static TowerEntry, bool), ModelError> {
    let entry = registry::list().iter().find(|entry| entry.model_type == model_type);
    let towers = entry.map(|entry| entry.towers).unwrap_or_default();
    match towers.iter().find(|tower| tower.modality == modality) {
        Some(tower) => Ok((tower, true)),
        None => Ok((of_type(modality, model_type)?, false)),
    }
}
