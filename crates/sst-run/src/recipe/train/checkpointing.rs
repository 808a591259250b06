//! `train.activation_checkpointing`: the layers whose activations are recomputed in the backward pass instead of
//! stored.

use serde::{Deserialize, Serialize};

use crate::recipe::error::Problem;

/// The largest n of "every n-th layer", and the largest layer number.
pub(super) const MOST: f64 = 1_024.0;

/// The layers whose activations are recomputed in the backward pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Checkpointing {
    /// No layer, or all layers.
    All(bool),
    /// Every n-th layer, starting with the first.
    Every(usize),
    /// These layers, counted from 0.
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

    /// Whether `layer` is selected.
    pub fn picks(&self, layer: usize) -> bool {
        match self {
            Self::All(all) => *all,
            Self::Every(n) => *n > 0 && layer.is_multiple_of(*n),
            Self::Layers(layers) => layers.contains(&layer),
        }
    }
}
