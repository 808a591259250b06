//! The optimisers there are, by name.

use super::rule::RuleEntry;
use super::{OptimizerName, adamw, muon};

impl OptimizerName {
    /// All of them. Gradients and states are in this order.
    pub(super) const ALL: [Self; 2] = [Self::AdamW, Self::Muon];

    /// What is known of it.
    pub(super) fn entry(self) -> RuleEntry {
        match self {
            Self::AdamW => adamw::ENTRY,
            Self::Muon => muon::ENTRY,
        }
    }

    /// Whether it can update parameters that are kept as a bf16 high half and an int16 remainder, on the CPU.
    pub(crate) fn updates_halves(self) -> bool {
        self.entry().updates_halves
    }
}
