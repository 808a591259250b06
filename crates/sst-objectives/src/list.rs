//! The objectives there are, by name.

use serde_json::Value;
use sst_core::Objective;
use sst_data::tokenize::{SpecialTokenTemplate, Tokenizer};

use crate::contrastive::{moco, nt_xent, pairs, simcse};
use crate::entry::{Context, Entry};
use crate::error::ObjectiveError;
use crate::{classify, clm, mlm};

/// One word an objective.
const OBJECTIVES: &[Entry] = &[
    mlm::ENTRY,
    clm::ENTRY,
    simcse::ENTRY,
    nt_xent::ENTRY,
    moco::ENTRY,
    pairs::ENTRY,
    classify::ENTRY,
];

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

/// What objective `name` wants around the rows of its data, and after each of their documents.
///
/// # Errors
/// If there is no such objective.
pub fn special_token_template(
    name: &str,
    tokenizer: &Tokenizer,
) -> Result<SpecialTokenTemplate, ObjectiveError> {
    Ok((entry(name)?.special_token_template)(tokenizer))
}

/// What the list knows of objective `name`.
///
/// # Errors
/// If there is no such objective, with the names that there are.
pub fn entry(name: &str) -> Result<&'static Entry, ObjectiveError> {
    OBJECTIVES.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known = OBJECTIVES.iter().map(|entry| entry.name).collect();
        ObjectiveError::Unknown { name: name.to_owned(), known }
    })
}
