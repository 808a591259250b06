//! `train.activation_checkpointing`: which layers run again in the backward pass instead of being kept.

use serde::{Deserialize, Serialize};

use crate::recipe::error::Problem;

/// The most that "every n-th layer" and the number of a layer may be.
pub(super) const MOST: f64 = 1_024.0;

/// Which layers run again in the backward pass instead of being kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Checkpointing {
    /// None of them, or all of them.
    All(bool),
    /// Every n-th, the first included.
    Every(usize),
    /// These, from 0.
    Layers(Vec<usize>),
}

impl Checkpointing {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if *self == Self::Every(0) {
            let message = "is 0: write false, true, how often, or a list of layers";
            return Err(Problem::new("train.activation_checkpointing", message));
        }
        Ok(())
    }

    /// Whether `layer` is one of them.
    pub fn picks(&self, layer: usize) -> bool {
        match self {
            Self::All(all) => *all,
            Self::Every(n) => *n > 0 && layer.is_multiple_of(*n),
            Self::Layers(layers) => layers.contains(&layer),
        }
    }
}
