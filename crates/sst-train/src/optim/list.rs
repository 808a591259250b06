//! The list of optimisers.

use super::rule::RuleEntry;
use super::{OptimizerName, adamw, muon};

impl OptimizerName {
    /// All optimisers. Gradients and states are in this order.
    pub(super) const ALL: [Self; 2] = [Self::AdamW, Self::Muon];

    /// The entry of this optimiser.
    pub(super) fn entry(self) -> RuleEntry {
        match self {
            Self::AdamW => adamw::ENTRY,
            Self::Muon => muon::ENTRY,
        }
    }

    /// Whether it can update parameters that are stored as bf16 weights and an int16 remainder. On the CPU only.
    pub(crate) fn supports_bf16_remainder(self) -> bool {
        self.entry().supports_bf16_remainder
    }
}
