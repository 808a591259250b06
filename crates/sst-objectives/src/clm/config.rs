//! The configuration of causal language modelling.

use serde::{Deserialize, Serialize};

use crate::error::ObjectiveError;
use crate::setting;

/// How next tokens are predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClmConfig {
    /// Whether documents that share a row are hidden from each other: attention does not cross the end-of-text
    /// token, and positions begin anew with it.
    pub isolate_documents: bool,
    /// The weight of the squared logarithm of the softmax's denominator, which keeps logits small (Chowdhery
    /// et al. 2022, "PaLM", section 5); 1e-4 there.
    pub z_loss: f64,
    /// How many logits are held at once: the loss is computed for so many tokens at a time as that allows. 0
    /// for all of them.
    pub logits_at_once: u64,
}

impl Default for ClmConfig {
    fn default() -> Self {
        // 64 MiB in fp32.
        Self { isolate_documents: false, z_loss: 0.0, logits_at_once: 1 << 24 }
    }
}

impl ClmConfig {
    /// Checks what serde cannot.
    ///
    /// # Errors
    /// If documents are to be isolated in padded rows, or the weight is below 0.
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
