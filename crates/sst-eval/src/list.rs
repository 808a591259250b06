//! The list of evaluators, by name.

use serde_json::Value;
use sst_core::Evaluator;

use crate::entry::Entry;
use crate::error::EvalError;
use crate::input::Input;
use crate::{
    classification, frozen, held_out, mask_accuracy, ner, perplexity, pseudo_perplexity, qa,
    rankme, retrieval, sts, zero_shot,
};

/// The registered evaluators, one word each.
const EVALUATORS: &[Entry] = &[
    held_out::ENTRY,
    mask_accuracy::ENTRY,
    pseudo_perplexity::ENTRY,
    perplexity::ENTRY,
    retrieval::ENTRY,
    zero_shot::ENTRY,
    sts::ENTRY,
    rankme::ENTRY,
    classification::ENTRY,
    ner::ENTRY,
    qa::ENTRY,
    frozen::probe::ENTRY,
    frozen::knn::ENTRY,
    frozen::mdl::ENTRY,
    frozen::cka::ENTRY,
];

/// All evaluators.
pub fn list() -> &'static [Entry] {
    EVALUATORS
}

/// The entry of the evaluator `name`.
///
/// # Errors
/// If there is no such evaluator; the error lists the names that exist.
pub fn entry(name: &str) -> Result<&'static Entry, EvalError> {
    EVALUATORS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known = EVALUATORS.iter().map(|entry| entry.name).collect();
        EvalError::Unknown { name: name.to_owned(), known }
    })
}

/// Builds the evaluator `name`. `config` is a JSON object; absent keys take their defaults.
///
/// # Errors
/// If there is no such evaluator, a key is unknown or has an invalid value, or the input is of another kind than the
/// evaluator reads.
pub fn build<'a>(
    name: &str,
    config: &Value,
    input: Input<'a>,
) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    entry(name)?.build(config, input)
}
