//! The keys that contrastive objectives share, and how they stand beside an objective's own.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sst_core::nn::Pooling;

use super::projection::Projection;
use super::temperature::MAX_SCALE;
use crate::entry::{Limit, MOST_ROWS, MOST_WIDTH};
use crate::error::ObjectiveError;
use crate::parse::parse;

/// How vectors are made and compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Common {
    /// How hidden states become a vector.
    pub pooling: Pooling,
    /// What cosines are divided by: the smaller, the more the nearest negatives count.
    pub temperature: f64,
    /// Whether that is only where the temperature begins, and it trains with the model, down to 0.01 (Radford et al.
    /// 2021, "CLIP", section 2.5).
    pub learn_temperature: bool,
    /// What the vectors go through before they are compared. It trains with the model and is no part of it: `sst
    /// export` and `sst embed` take the vectors from before it.
    pub projection: Projection,
    /// The width of what comes out of it; 0 for that of the encoder.
    pub projection_size: u64,
    /// Rows that are in memory at once: the vectors of a batch are made in such chunks, first all without their
    /// graphs, and again one chunk after the other when the gradients of the vectors are known (Gao et al. 2021,
    /// "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"). 0 for all of the batch at once,
    /// which is faster.
    pub chunk_rows: u64,
}

/// The limits of the shared numbers.
pub(super) const LIMITS: &[Limit] = &[
    ("temperature", 0.0, 1e6),
    ("projection_size", 0.0, MOST_WIDTH),
    ("chunk_rows", 0.0, MOST_ROWS),
];

impl Default for Common {
    fn default() -> Self {
        Self {
            // Of SimCSE (Gao et al. 2021, section 3 and table 6).
            pooling: Pooling::Cls,
            temperature: 0.05,
            learn_temperature: false,
            projection: Projection::None,
            projection_size: 0,
            chunk_rows: 0,
        }
    }
}

impl Common {
    /// Checks what serde cannot.
    fn check(&self) -> Result<(), ObjectiveError> {
        let refuse = |path: &str, message: String| {
            Err(ObjectiveError::Config { path: path.to_owned(), message })
        };
        let temperature = self.temperature;
        if !(temperature > 0.0 && temperature.is_finite()) {
            return refuse("temperature", format!("is {temperature} and must be above 0"));
        }
        if self.learn_temperature && temperature < 1.0 / MAX_SCALE {
            let message = format!("is {temperature}; one that is learned stays at 0.01 or above");
            return refuse("temperature", message);
        }
        if self.projection == Projection::None && self.projection_size != 0 {
            let message = "is for a projection: choose one, or leave this out".to_owned();
            return refuse("projection_size", message);
        }
        Ok(())
    }
}

/// Every key of an objective with its default: the shared ones, then its own, `K`. `pooling` is how its hidden states
/// become a vector where the configuration does not say.
pub(super) fn defaults<K: Default + Serialize>(pooling: Pooling) -> Value {
    let mut all = shared(pooling);
    all.extend(object(json!(K::default())));
    Value::Object(all)
}

/// The shared keys in `config`, and the objective's own; `pooling` as for [`defaults`]. serde would have each objective repeat the shared ones to
/// know which are none.
///
/// # Errors
/// If a key is unknown, of the wrong type, or cannot be.
pub(super) fn read<K: DeserializeOwned>(
    config: &Value,
    pooling: Pooling,
) -> Result<(Common, K), ObjectiveError> {
    let mut common = shared(pooling);
    let mut own = Map::new();
    for (key, value) in object(config.clone()) {
        let place = if common.contains_key(&key) { &mut common } else { &mut own };
        place.insert(key, value);
    }
    let common: Common = parse(&Value::Object(common))?;
    common.check()?;
    Ok((common, parse(&Value::Object(own))?))
}

/// The defaults of the shared keys for an objective.
fn shared(pooling: Pooling) -> Map<String, Value> {
    object(json!(Common { pooling, ..Common::default() }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(keys) => keys,
        _ => Map::new(),
    }
}
