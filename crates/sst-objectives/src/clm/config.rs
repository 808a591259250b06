//! The configuration of causal language modelling.

use serde::{Deserialize, Serialize};

use crate::error::ObjectiveError;
use crate::setting;

/// The settings of causal language modelling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClmConfig {
    /// Whether documents that share a row are isolated: tokens do not attend to earlier documents, and positions start
    /// at 0 for each document.
    pub isolate_documents: bool,
    /// The weight of the z-loss, the squared logarithm of the softmax's denominator, which keeps logits small. PaLM uses
    /// 1e-4 (Chowdhery et al. 2022, section 5).
    pub z_loss: f64,
    /// The number of logits (tokens times vocabulary) that are in memory at once: the loss is computed for as many
    /// tokens at a time as fit. 0 for all tokens at once.
    pub logits_at_once: u64,
}

impl Default for ClmConfig {
    fn default() -> Self {
        // 64 MiB in fp32.
        Self { isolate_documents: false, z_loss: 0.0, logits_at_once: 1 << 24 }
    }
}

impl ClmConfig {
    /// Checks the values that serde cannot check.
    ///
    /// # Errors
    /// If documents are to be isolated in padded rows, or `z_loss` is below 0.
    pub fn check(&self, padding_free: bool) -> Result<(), ObjectiveError> {
        let refuse = |path: &str, message: &str| {
            Err(ObjectiveError::Config { path: path.into(), message: message.into() })
        };
        if self.isolate_documents && !padding_free {
            return Err(ObjectiveError::Needs {
                path: "isolate_documents",
                setting: setting::PADDING_FREE,
                value: "true",
            });
        }
        if !(self.z_loss >= 0.0 && self.z_loss.is_finite()) {
            return refuse("z_loss", "must be at least 0");
        }
        Ok(())
    }
}
