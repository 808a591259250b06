//! Options for the initial values of weights. They do not change the architecture.

use serde::{Deserialize, Serialize};
use sst_core::Init;

use crate::error::{ModelError, bad};

/// The initial values of weights that differ from the model's defaults. A key that does not apply is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InitOptions {
    /// The initial values of learned position embeddings.
    pub positions: Positions,
    /// For sinusoids: the largest value. It should be about the standard deviation of the word embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplitude: Option<f64>,
    /// For sinusoids: the ratio of the longest wavelength to the shortest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<f64>,
    /// The initial values of query and key projections.
    pub attention: Queries,
    /// For `alike`: the standard deviation of the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_std: Option<f64>,
}

/// The initial values of learned position embeddings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// The same distribution as other weights.
    #[default]
    Normal,
    /// Sinusoids. A small model then uses positions from the start, instead of staying on the unigram plateau for
    /// thousands of steps.
    Sinusoid,
}

/// The initial values of the projections to queries and keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Queries {
    /// Queries and keys are drawn independently.
    #[default]
    Normal,
    /// Keys are copies of the queries, so that a token attends to similar ones; with sinusoidal positions, to its
    /// neighbours (the first half of Trockman and Kolter 2023, "Mimetic Initialization of Self-Attention Layers").
    Alike,
}

impl InitOptions {
    /// The default of `amplitude`: slightly more than the standard deviation of BERT's other initial weights.
    pub const AMPLITUDE: f64 = 0.03;
    /// The default of `base`, from the paper (Vaswani et al. 2017, section 3.5).
    pub const BASE: f64 = 10_000.0;
    /// The default of `attention_std`. At width 256, the scores of a token's near and far neighbours then differ by a
    /// few nats.
    pub const ATTENTION_STD: f64 = 0.05;

    /// The initial values of learned positions in a model whose other weights start as `normal`.
    pub(crate) fn of_positions(&self, normal: Init) -> Init {
        match self.positions {
            Positions::Normal => normal,
            Positions::Sinusoid => Init::Sinusoid {
                amplitude: self.amplitude.unwrap_or(Self::AMPLITUDE),
                base: self.base.unwrap_or(Self::BASE),
            },
        }
    }
}

/// Refuses options other than the defaults, for a model that does not have them.
pub(crate) fn plain(init: &InitOptions, model_type: &str) -> Result<(), ModelError> {
    if *init == InitOptions::default() {
        return Ok(());
    }
    let key = if init.positions != Positions::Normal { "init.positions" } else { "init.attention" };
    Err(bad(key, &format!("the weights of {model_type} start as \"normal\" only")))
}
