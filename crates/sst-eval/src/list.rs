//! The evaluators that there are, by name.

use serde_json::Value;
use sst_core::Evaluator;

use crate::entry::Entry;
use crate::error::EvalError;
use crate::input::Input;
use crate::{held_out, mask_accuracy, perplexity, pseudo_perplexity, retrieval, sts};

/// One word for each evaluator.
const EVALUATORS: &[Entry] = &[
    held_out::ENTRY,
    mask_accuracy::ENTRY,
    pseudo_perplexity::ENTRY,
    perplexity::ENTRY,
    retrieval::ENTRY,
    sts::ENTRY,
];

/// All evaluators.
pub fn list() -> &'static [Entry] {
    EVALUATORS
}

/// What the list knows of evaluator `name`.
///
/// # Errors
/// If there is no such evaluator, with the names that there are.
pub fn entry(name: &str) -> Result<&'static Entry, EvalError> {
    EVALUATORS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known = EVALUATORS.iter().map(|entry| entry.name).collect();
        EvalError::Unknown { name: name.to_owned(), known }
    })
}

/// Builds evaluator `name` from its configuration, a JSON object, and its data. Keys that are absent take their
/// defaults.
///
/// # Errors
/// If there is no such evaluator, a key is unknown or has a value that cannot be, or the input is of another kind than
/// the evaluator reads.
pub fn build<'a>(
    name: &str,
    config: &Value,
    input: Input<'a>,
) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    entry(name)?.build(config, input)
}
