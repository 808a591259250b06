//! What the list of objectives knows of each, and what an objective is built from.

use serde_json::Value;
use sst_core::Objective;
use sst_data::tokenize::{Frame, Tokenizer};
use tch::Device;

use crate::error::ObjectiveError;

/// What an objective is built from besides its configuration.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The tokenizer of the data.
    pub tokenizer: &'a Tokenizer,
    /// Whether batches hold their rows one after the other, without padding.
    pub padding_free: bool,
    /// The width of the encoder's hidden states, for parameters of its own.
    pub hidden_size: i64,
    /// Where these are.
    pub device: Device,
    /// What they are drawn from: the seed of the run.
    pub seed: u64,
}

/// Builds an objective from its configuration.
type Build = fn(&Value, &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError>;

/// What the list knows of an objective.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name in a recipe.
    pub name: &'static str,
    /// A line for `sst list`.
    pub summary: &'static str,
    /// Every configuration key with its default.
    pub default_config: fn() -> Value,
    /// Whether its rows are groups of texts that belong together, and not single ones.
    pub is_grouped: bool,
    /// Whether it trains the model's head that scores tokens.
    pub trains_token_head: bool,
    /// What stands around a row, and after each of its documents.
    pub(crate) frame: fn(&Tokenizer) -> Frame,
    /// Checks the configuration, with or without padding: all that needs no tokenizer.
    pub(crate) check: fn(&Value, bool) -> Result<(), ObjectiveError>,
    pub(crate) build: Build,
}
