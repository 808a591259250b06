//! The configuration of masked autoencoding.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::ObjectiveError;
use crate::parse::parse;

/// The settings of masked autoencoding. They have the names of transformers' `ViTMAEConfig`, and are written into the
/// config.json of the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaeConfig {
    /// The fraction of patches that are masked. `n (1 - mask_ratio)` patches are visible, rounded down.
    pub mask_ratio: f64,
    /// Whether each patch is normalised by its own mean and variance before it is reconstructed. Representations become
    /// better (He et al. 2021, table 1d); reconstructions lack the colours of the patches.
    pub norm_pix_loss: bool,
}

impl Default for MaeConfig {
    fn default() -> Self {
        Self { mask_ratio: 0.75, norm_pix_loss: true }
    }
}

impl MaeConfig {
    /// The number of visible patches of `patches`.
    ///
    /// # Errors
    /// If none would be visible, or none masked.
    pub fn visible(&self, patches: i64) -> Result<usize, ObjectiveError> {
        let visible = (patches as f64 * (1.0 - self.mask_ratio)) as i64;
        if 0 < visible && visible < patches {
            return Ok(visible as usize);
        }
        let what = if visible < 1 { "visible" } else { "masked" };
        let message = format!(
            "is {}, which leaves none of the {patches} patches of a picture {what}: change it, or make the patches \
             smaller",
            self.mask_ratio
        );
        Err(ObjectiveError::Config { path: "mask_ratio".to_owned(), message })
    }

    /// Checks the values that serde cannot check.
    pub(super) fn check(&self) -> Result<(), ObjectiveError> {
        if self.mask_ratio > 0.0 && self.mask_ratio < 1.0 {
            return Ok(());
        }
        let message = format!("is {} and must be between 0 and 1", self.mask_ratio);
        Err(ObjectiveError::Config { path: "mask_ratio".to_owned(), message })
    }
}

/// The keys of the model's config.json.
pub(super) fn model_keys(config: &Value) -> Map<String, Value> {
    match json!(parse::<MaeConfig>(config).unwrap_or_default()) {
        Value::Object(keys) => keys,
        _ => Map::new(),
    }
}
