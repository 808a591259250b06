//! The encoders of models as towers of dual encoders.

mod pool;

use serde_json::{Map, Value, json};
use sst_core::checkpoint::Renamed;
use sst_core::{Encoder, Modality, Scope};
use sst_data::Harmless;

use crate::error::{ModelError, bad};

pub(crate) use pool::{FirstNorm, Pool, TokenPool};

/// The module of the text tower, and the start of the names of its parameters.
pub(crate) const TEXT: &str = "text_model";
/// The module of the image tower, and the start of the names of its parameters.
pub(crate) const VISION: &str = "vision_model";
/// The key of the configuration of the text tower.
pub(crate) const TEXT_CONFIG: &str = "text_config";
/// The key of the configuration of the image tower.
pub(crate) const VISION_CONFIG: &str = "vision_config";

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
pub(crate) fn names(modality: Modality) -> (&'static str, &'static str) {
    match modality {
        Modality::Text => (TEXT, TEXT_CONFIG),
        Modality::Image => (VISION, VISION_CONFIG),
    }
}

/// A key of a config.json whose value is the configuration of a tower.
#[derive(Debug)]
pub(crate) struct ConfigPart {
    pub(crate) key: &'static str,
    /// The value, with the keys that the tower reads.
    pub(crate) value: Value,
    pub(crate) tower: &'static TowerEntry,
}

/// The configuration of the tower `tower` in the config.json of a dual encoder; empty if the key is missing.
///
/// # Errors
/// If it is no object, or names another type.
pub(crate) fn part(config: &Value, tower: &'static TowerEntry) -> Result<ConfigPart, ModelError> {
    let (_, key) = names(tower.modality);
    let value = match config.get(key) {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(value @ Value::Object(_)) => value.clone(),
        Some(_) => return Err(bad(key, "must be a table of keys")),
    };
    let model_type = value.get("model_type").and_then(Value::as_str);
    if let Some(other) = model_type.filter(|other| !is_type(other, tower.model_type)) {
        let message = format!("is `{other}`, and this model has `{}`", tower.model_type);
        return Err(bad(&format!("{key}.model_type"), &message));
    }
    Ok(ConfigPart { key, value, tower })
}

/// Whether the type `found` of a tower's configuration is `expected`. Older files name that of the whole model.
fn is_type(found: &str, expected: &str) -> bool {
    found == expected || expected.strip_prefix(found).is_some_and(|rest| rest.starts_with('_'))
}

/// The default config.json of a dual encoder with these keys and towers.
pub(crate) fn default_config(mut config: Value, towers: [&TowerEntry; 2]) -> Value {
    for tower in towers {
        config[names(tower.modality).1] = with_type((tower.default_config)(), tower.model_type);
    }
    config
}

/// Adds the key of the tower to an error about its configuration.
pub(crate) fn in_part(modality: Modality) -> impl Fn(ModelError) -> ModelError {
    move |error| match error {
        ModelError::Config { path, message } => {
            bad(&format!("{}.{path}", names(modality).1), &message)
        }
        other => other,
    }
}

/// Checks the configurations of towers.
pub(crate) fn check_parts(parts: Vec<ConfigPart>) -> Result<(), ModelError> {
    parts
        .into_iter()
        .try_for_each(|part| (part.tower.check)(&part.value).map_err(in_part(part.tower.modality)))
}

/// The names of a tower of CLIP or SigLIP. `name` may begin with the module of the tower, as in files of the whole model
/// and of transformers 4. Tensors of the other tower and of projections are not used.
pub(crate) fn tower_name(name: &str, modality: Modality) -> Renamed {
    // transformers saved these buffers until version 4.31.
    if name.ends_with("embeddings.position_ids") {
        return Renamed::Ignore;
    }
    let (module, _) = names(modality);
    let rest = name.strip_prefix(module).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
    let first = rest.split('.').next().unwrap_or_default();
    let others =
        [TEXT, VISION, "text_projection", "visual_projection", "logit_scale", "logit_bias"];
    match others.contains(&first) {
        true => Renamed::Unused,
        false => Renamed::To(rest.to_owned()),
    }
}
