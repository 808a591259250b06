//! The keys that all contrastive objectives share. They are read together with the objective's own keys.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sst_core::nn::Pooling;

use super::projection::Projection;
use super::temperature::MAX_SCALE;
use crate::entry::{Limit, MAX_ROWS, MAX_WIDTH};
use crate::error::ObjectiveError;
use crate::parse::parse;

/// The keys of `[objective]` that all contrastive objectives share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContrastiveConfig {
    /// How the hidden states of a row are pooled into one vector.
    pub pooling: Pooling,
    /// The temperature, by which cosine similarities are divided. The smaller it is, the larger the weight of the most
    /// similar negatives.
    pub temperature: f64,
    /// Whether the temperature is a trained parameter, as in CLIP (Radford et al. 2021, section 2.5). It then starts at
    /// `temperature` and never falls below 0.01.
    pub learn_temperature: bool,
    /// The projection head that the vectors pass through before they are compared. It is trained with the model but is
    /// not part of it: `sst export` and `sst embed` use the vectors before the projection.
    pub projection: Projection,
    /// The output width of the projection; 0 for the width of the encoder.
    pub projection_size: u64,
    /// The number of rows that are encoded at once; 0 for the whole batch, which is faster. With chunks, the vectors of
    /// the whole batch are computed without graphs first. When the gradients of the vectors are known, each chunk is
    /// encoded again with its graph (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited
    /// Setup").
    pub chunk_rows: u64,
}

/// The limits of the numbers among the shared keys.
pub(super) const LIMITS: &[Limit] = &[
    ("temperature", 0.0, 1e6),
    ("projection_size", 0.0, MAX_WIDTH),
    ("chunk_rows", 0.0, MAX_ROWS),
];

impl Default for ContrastiveConfig {
    fn default() -> Self {
        Self {
            // The values of SimCSE (Gao et al. 2021, section 3 and table 6).
            pooling: Pooling::Cls,
            temperature: 0.05,
            learn_temperature: false,
            projection: Projection::None,
            projection_size: 0,
            chunk_rows: 0,
        }
    }
}

impl ContrastiveConfig {
    /// Checks the values that serde cannot check.
    fn check(&self) -> Result<(), ObjectiveError> {
        let refuse = |path: &str, message: String| {
            Err(ObjectiveError::Config { path: path.to_owned(), message })
        };
        let temperature = self.temperature;
        if !(temperature > 0.0 && temperature.is_finite()) {
            return refuse("temperature", format!("is {temperature} and must be above 0"));
        }
        if self.learn_temperature && temperature < 1.0 / MAX_SCALE {
            let message =
                format!("is {temperature}; a learned temperature must start at 0.01 or above");
            return refuse("temperature", message);
        }
        if self.projection == Projection::None && self.projection_size != 0 {
            let message = "is for a projection: choose one, or leave this out".to_owned();
            return refuse("projection_size", message);
        }
        Ok(())
    }
}

/// Every key of an objective with its default: the shared keys, and the objective's own keys `K`. `pooling` is the
/// objective's default pooling.
pub(super) fn defaults<K: Default + Serialize>(pooling: Pooling) -> Value {
    let mut keys = shared_defaults(pooling);
    keys.extend(into_object(json!(K::default())));
    Value::Object(keys)
}

/// Reads the shared keys and the objective's own keys `K` from `config`. `pooling` is the objective's default pooling.
/// The keys are separated here because serde's `deny_unknown_fields` does not work together with `flatten`.
///
/// # Errors
/// If a key is unknown, of the wrong type, or has an invalid value.
pub(super) fn read<K: DeserializeOwned>(
    config: &Value,
    pooling: Pooling,
) -> Result<(ContrastiveConfig, K), ObjectiveError> {
    let mut shared_keys = shared_defaults(pooling);
    let mut own_keys = Map::new();
    for (key, value) in into_object(config.clone()) {
        let keys = if shared_keys.contains_key(&key) { &mut shared_keys } else { &mut own_keys };
        keys.insert(key, value);
    }
    let shared: ContrastiveConfig = parse(&Value::Object(shared_keys))?;
    shared.check()?;
    Ok((shared, parse(&Value::Object(own_keys))?))
}

/// The defaults of the shared keys, with the objective's default pooling.
fn shared_defaults(pooling: Pooling) -> Map<String, Value> {
    into_object(json!(ContrastiveConfig { pooling, ..ContrastiveConfig::default() }))
}

fn into_object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(keys) => keys,
        _ => Map::new(),
    }
}
