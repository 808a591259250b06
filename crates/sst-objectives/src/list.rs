//! The objectives there are, by name.

use serde_json::Value;
use sst_core::Objective;
use sst_data::tokenize::{Frame, Tokenizer};
use tch::Device;

use crate::contrastive::{moco, nt_xent, pairs, simcse};
use crate::error::ObjectiveError;
use crate::{clm, mlm};

/// One word an objective.
const OBJECTIVES: &[Entry] =
    &[mlm::ENTRY, clm::ENTRY, simcse::ENTRY, nt_xent::ENTRY, moco::ENTRY, pairs::ENTRY];

/// What an objective is built from besides its configuration.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The tokenizer of the data; `None` if it holds no text.
    pub tokenizer: Option<&'a Tokenizer>,
    /// Whether batches hold their rows one after the other, without padding.
    pub padding_free: bool,
    /// The width of the encoder's hidden states, for parameters of its own.
    pub hidden_size: i64,
    /// Where these are.
    pub device: Device,
    /// What they are drawn from: the seed of the run.
    pub seed: u64,
}

impl<'a> Context<'a> {
    /// The tokenizer, for an objective that reads text.
    ///
    /// # Errors
    /// If there is none.
    pub fn tokenizer(&self) -> Result<&'a Tokenizer, ObjectiveError> {
        self.tokenizer.ok_or(ObjectiveError::NoTokenizer)
    }
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

/// All objectives.
pub fn list() -> &'static [Entry] {
    OBJECTIVES
}

/// Builds objective `name` from its configuration: an object without the name; absent keys take their
/// defaults.
///
/// # Errors
/// If there is no such objective, a key is unknown or cannot be, or the tokenizer lacks a token.
pub fn build(
    name: &str,
    config: &Value,
    context: &Context<'_>,
) -> Result<Box<dyn Objective>, ObjectiveError> {
    (entry(name)?.build)(config, context)
}

/// Checks a configuration as [`build`] does, as far as that needs neither tokenizer nor model.
///
/// # Errors
/// If there is no such objective, or a key is unknown or cannot be.
pub fn check(name: &str, config: &Value, padding_free: bool) -> Result<(), ObjectiveError> {
    (entry(name)?.check)(config, padding_free)
}

/// Whether the rows of objective `name` are groups of texts.
///
/// # Errors
/// If there is no such objective.
pub fn is_grouped(name: &str) -> Result<bool, ObjectiveError> {
    Ok(entry(name)?.is_grouped)
}

/// What objective `name` wants around the rows of its data, and after each of their documents.
///
/// # Errors
/// If there is no such objective.
pub fn frame(name: &str, tokenizer: &Tokenizer) -> Result<Frame, ObjectiveError> {
    Ok((entry(name)?.frame)(tokenizer))
}

fn entry(name: &str) -> Result<&'static Entry, ObjectiveError> {
    OBJECTIVES.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known = OBJECTIVES.iter().map(|entry| entry.name).collect();
        ObjectiveError::Unknown { name: name.to_owned(), known }
    })
}
