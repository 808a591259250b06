//! Which architecture of BERT a file of weights is loaded as.

use std::collections::BTreeMap;

use sst_core::checkpoint::Renamed;

use super::names::{canonical, is_base, is_buffer};
use crate::error::ModelError;
use crate::plan::{Head, Plan, Request};

/// With a head for masked tokens.
pub(super) const MASKED: &str = "BertForMaskedLM";
/// With that head, the pooler and the pair head.
pub(super) const PRETRAINING: &str = "BertForPreTraining";
/// The encoder with its pooler.
pub(super) const BASE: &str = "BertModel";

const WORDS: &str = "embeddings.word_embeddings.weight";
const PROJECTION: &str = "cls.predictions.decoder.weight";
/// The head's bias under its two names. transformers adds the second one.
const BIASES: [&str; 2] = ["cls.predictions.bias", "cls.predictions.decoder.bias"];
const HEAD: &str = "cls.predictions.";
const HEAD_PARAMETERS: [&str; 5] = [
    "cls.predictions.bias",
    "cls.predictions.transform.dense.weight",
    "cls.predictions.transform.dense.bias",
    "cls.predictions.transform.LayerNorm.weight",
    "cls.predictions.transform.LayerNorm.bias",
];
const POOLER: [&str; 2] = ["pooler.dense.weight", "pooler.dense.bias"];
const PAIR: [&str; 2] = ["cls.seq_relationship.weight", "cls.seq_relationship.bias"];

/// Takes the head for masked tokens if the file holds it, and the pair head with the pooler if the file holds
/// all three and the config does not name `BertForMaskedLM`.
pub(super) fn plan(request: &Request<'_>) -> Result<Plan, ModelError> {
    // The names in the file by the names of parameters.
    let mut held = BTreeMap::new();
    for name in request.weights.names() {
        held.insert(canonical(name), name);
    }
    let has_head = held.keys().any(|name| name.starts_with(HEAD));
    let [has_pooler, has_pair] = [POOLER[0], PAIR[0]].map(|name| held.contains_key(name));
    let named = request.named();
    let architecture = match (request.architecture, request.head) {
        (Some(asked), _) => asked,
        // A file without embeddings is of another model, and what it lacks is listed.
        (None, Head::Needed) if !has_head && held.contains_key(WORDS) => {
            return Err(request.no_head("head for masked tokens", "cls.predictions.*"));
        }
        (None, Head::AsFound) if !has_head => BASE,
        (None, _) if has_head && has_pooler && has_pair && named != Some(MASKED) => PRETRAINING,
        (None, _) => MASKED,
    };
    let absent = absent(named, architecture, [has_head, has_pooler, has_pair]);
    let is_base_model = architecture == BASE;
    let gets_new_head = request.head == Head::New && !has_head && !is_base_model;

    let tied = request.tied();
    let words = held.get(WORDS).copied();
    let projection = held.get(PROJECTION).copied();
    let untied = match (words, projection) {
        (Some(words), Some(projection)) if tied && !is_base_model => {
            !request.weights.same(words, projection)?
        }
        _ => false,
    };
    let second_bias = held.get(BIASES[1]).copied();
    let prefixed = |name: &str| match is_base(name) && !is_base_model {
        true => format!("bert.{name}"),
        false => name.to_owned(),
    };
    let mut renames = BTreeMap::new();
    for name in request.weights.names() {
        let target = canonical(name);
        let renamed = if is_buffer(name) {
            Renamed::Ignore
        } else if is_base_model && target.starts_with("cls.") {
            Renamed::Unused
        } else if target == PROJECTION && tied && !untied {
            // The projection is the embeddings: a copy, or all there is of them.
            match words {
                Some(_) => Renamed::Ignore,
                None => Renamed::To(prefixed(WORDS)),
            }
        } else if target == BIASES[1] {
            Renamed::To(BIASES[0].to_owned())
        } else if let (true, Some(second)) = (target == BIASES[0], second_bias) {
            // transformers does not read the first one of an untied head, and writes it as it was made: zeros.
            let as_made = !tied && is_zero(request, name)?;
            match as_made || request.weights.same(name, second)? {
                true => Renamed::Ignore,
                false => Renamed::Unused,
            }
        } else {
            Renamed::To(prefixed(&target))
        };
        renames.insert(name.to_owned(), renamed);
    }
    let new = if gets_new_head { vec![HEAD.to_owned()] } else { Vec::new() };
    Ok(Plan { architecture, pooler: has_pooler, untied, new, absent, renames })
}

/// Whether a tensor of the file is all zeros.
fn is_zero(request: &Request<'_>, name: &str) -> Result<bool, ModelError> {
    let any = request.weights.tensor(name)?.f_any().map_err(sst_core::Error::from)?;
    Ok(any.f_int64_value(&[]).map_err(sst_core::Error::from)? == 0)
}

/// What the architecture that the config names has and the file lacks, where the model is built without it.
fn absent(named: Option<&str>, built: &str, [head, pooler, pair]: [bool; 3]) -> Vec<String> {
    let mut absent: Vec<&str> = Vec::new();
    let names_head = [MASKED, PRETRAINING].map(Some).contains(&named);
    if names_head && !head && built == BASE {
        absent.extend(HEAD_PARAMETERS);
    }
    if named == Some(PRETRAINING) && !pair && built != PRETRAINING {
        absent.extend(PAIR);
    }
    if [BASE, PRETRAINING].map(Some).contains(&named) && !pooler {
        absent.extend(POOLER);
    }
    absent.into_iter().map(str::to_owned).collect()
}
