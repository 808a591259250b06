//! The configurations of towers in the config.json of a dual encoder, and the config.json of a
//! vision-text-dual-encoder.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sst_core::Modality;

use super::tower::{TowerEntry, names, with_type};
use crate::config::{check_refused, check_sizes};
use crate::entry::ConfigPart;
use crate::error::{ModelError, bad};

/// The keys of a vision-text-dual-encoder's config.json that define the model, besides those of its towers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DualConfig {
    /// The configuration of the text tower, with its `model_type`.
    pub text_config: Map<String, Value>,
    /// The configuration of the image tower, with its `model_type`.
    pub vision_config: Map<String, Value>,
    /// The width of the shared space.
    pub projection_dim: i64,
    /// The initial logarithm of the scale of the logits.
    pub logit_scale_init_value: f64,
    /// Keys that do not define the model. They are saved again unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for DualConfig {
    fn default() -> Self {
        Self {
            text_config: Map::new(),
            vision_config: Map::new(),
            projection_dim: 512,
            logit_scale_init_value: 2.6592,
            other: Map::new(),
        }
    }
}

impl DualConfig {
    /// Checks the values, after serde has checked their types, except for those of the towers.
    ///
    /// # Errors
    /// If a value is out of range.
    pub fn check(&self) -> Result<(), ModelError> {
        check_sizes(&[("projection_dim", self.projection_dim)])?;
        check_refused(&self.other, &[])
    }
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
pub(super) fn in_part(modality: Modality) -> impl Fn(ModelError) -> ModelError {
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
