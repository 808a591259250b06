//! The config.json of a vision-text-dual-encoder.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::{check_refused, check_sizes};
use crate::error::ModelError;

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
