//! The keys that contrastive objectives share.

use serde::{Deserialize, Serialize};
use sst_core::nn::Pooling;

use crate::error::ObjectiveError;

/// How vectors are made and compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Common {
    /// How hidden states become a vector.
    pub pooling: Pooling,
    /// What cosines are divided by: the smaller, the more the nearest negatives count.
    pub temperature: f64,
    /// Rows that are in memory at once: the vectors of a batch are made in such chunks, first all without their
    /// graphs, and again one chunk after the other when the gradients of the vectors are known (Gao et al. 2021,
    /// "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"). 0 for all of the batch at once,
    /// which is faster.
    pub chunk_rows: u64,
}

impl Common {
    /// Checks what serde cannot.
    pub(super) fn check(&self) -> Result<(), ObjectiveError> {
        if self.temperature > 0.0 && self.temperature.is_finite() {
            return Ok(());
        }
        let message = format!("is {} and must be above 0", self.temperature);
        Err(ObjectiveError::Config { path: "temperature".to_owned(), message })
    }
}

impl Default for Common {
    fn default() -> Self {
        // Of SimCSE (Gao et al. 2021, section 3 and table 6).
        Self { pooling: Pooling::Cls, temperature: 0.05, chunk_rows: 0 }
    }
}
