//! The list of objectives, by name.

use serde_json::Value;
use sst_core::Objective;
use sst_data::tokenize::{SpecialTokenTemplate, Tokenizer};

use crate::contrastive::{moco, nt_xent, pairs, simclr, simcse};
use crate::entry::{Context, Entry};
use crate::error::ObjectiveError;
use crate::image_text::{clip, siglip};
use crate::{answer, classify, clm, mae, mlm, tag};

/// The registered objectives, one word each.
const OBJECTIVES: &[Entry] = &[
    mlm::ENTRY,
    clm::ENTRY,
    simcse::ENTRY,
    nt_xent::ENTRY,
    moco::ENTRY,
    pairs::ENTRY,
    simclr::ENTRY,
    mae::ENTRY,
    clip::ENTRY,
    siglip::ENTRY,
    classify::ENTRY,
    tag::ENTRY,
    answer::ENTRY,
];

/// All objectives.
pub fn list() -> &'static [Entry] {
    OBJECTIVES
}

/// Builds the objective `name`. `config` is a JSON object without the key `name`; absent keys take their defaults.
///
/// # Errors
/// If there is no such objective, a key is unknown or has an invalid value, or the tokenizer lacks a token.
pub fn build(
    name: &str,
    config: &Value,
    context: &Context<'_>,
) -> Result<Box<dyn Objective>, ObjectiveError> {
    (entry(name)?.build)(config, context)
}

/// Makes those checks of [`build`] that need neither a tokenizer nor a model.
///
/// # Errors
/// If there is no such objective, or a key is unknown or has an invalid value.
pub fn check(name: &str, config: &Value, padding_free: bool) -> Result<(), ObjectiveError> {
    (entry(name)?.check)(config, padding_free)
}

/// The special tokens that the objective `name` needs around each row, and after each document of a row.
///
/// # Errors
/// If there is no such objective.
pub fn special_token_template(
    name: &str,
    tokenizer: &Tokenizer,
) -> Result<SpecialTokenTemplate, ObjectiveError> {
    Ok((entry(name)?.special_token_template)(tokenizer))
}

/// The entry of the objective `name`.
///
/// # Errors
/// If there is no such objective; the error lists the names that exist.
pub fn entry(name: &str) -> Result<&'static Entry, ObjectiveError> {
    OBJECTIVES.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known = OBJECTIVES.iter().map(|entry| entry.name).collect();
        ObjectiveError::Unknown { name: name.to_owned(), known }
    })
}
