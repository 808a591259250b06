//! How weights start. The trained model is an ordinary one, whichever way it began.

use serde::{Deserialize, Serialize};
use sst_core::Init;

/// How weights start, where not as usual. A key that does not apply is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InitOptions {
    /// How learned positions start.
    pub positions: Positions,
    /// For sinusoids: the largest value; about the deviation of the word embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplitude: Option<f64>,
    /// For sinusoids: how many times longer the longest wave is than the shortest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<f64>,
    /// How queries and keys start.
    pub attention: Queries,
    /// For queries and keys that start alike: the deviation of their weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_std: Option<f64>,
}

/// How learned position embeddings start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// Like every other weight.
    #[default]
    Normal,
    /// As sinusoids: a small model then learns to use positions at once instead of staying on the unigram
    /// plateau for thousands of steps.
    Sinusoid,
}

/// How the projections to queries and keys start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Queries {
    /// Each by itself.
    #[default]
    Normal,
    /// Keys as copies of the queries, so that a token attends to those like it: with sinusoid positions, to
    /// its neighbours (the first half of Trockman and Kolter 2023, "Mimetic Initialization of Self-Attention
    /// Layers").
    Alike,
}

impl InitOptions {
    /// A little above the deviation of BERT's other first weights.
    pub const AMPLITUDE: f64 = 0.03;
    /// The paper's (Vaswani et al. 2017, section 3.5).
    pub const BASE: f64 = 10_000.0;
    /// Makes a difference of a few nats between a token's near and far neighbours at width 256.
    pub const ATTENTION_STD: f64 = 0.05;

    /// How learned positions start, where other weights start as `normal`.
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
