//! Decides which architecture of a causal model a file of weights is loaded as.

use std::collections::BTreeMap;

use sst_core::HeadKind;
use sst_core::checkpoint::Renamed;

use super::names::{CausalNames, PROJECTION};
use crate::error::ModelError;
use crate::heads::HeadConfig;
use crate::plan::{LoadHead, Plan, Request, TaskHead};

/// Chooses the architecture and the use of each tensor: the architecture of the task that the config names, if the file
/// holds its head; or the one with a language-model head, if the file holds its projection or the config ties it to
/// the word embeddings.
pub(crate) fn plan(request: &Request<'_>, names: &CausalNames) -> Result<Plan, ModelError> {
    let (weights, tied) = (request.weights, request.tied());
    let [with_head, base] = [request.architectures[0], request.architectures[1]];
    let has_projection = weights.contains(PROJECTION);
    let has_head = has_projection || tied;
    let named = request.named();
    let (layers, is_fresh) = (HeadConfig::of(request.config)?, request.starts_head_anew());
    let lacks = |task: HeadKind| -> Vec<String> {
        let mut lacking = names.head(task, layers);
        lacking.retain(|name| is_fresh || !weights.contains(name));
        lacking
    };
    let held_task = request.named_task().filter(|(_, kind)| lacks(*kind).is_empty());
    let rename = |name: &str, prefix: &str| (names.rename)(name, prefix);
    let is_words = |name: &&str| rename(name, "") == Renamed::To(names.words.to_owned());
    let embeddings = weights.names().find(is_words);
    let architecture = match (request.architecture, request.head) {
        (Some(asked), _) => asked,
        (None, LoadHead::Needed(kind) | LoadHead::New(kind)) if kind != HeadKind::LanguageModel => {
            let task = request.task_with(kind).ok_or_else(|| request.no_such_head(kind))?;
            let is_needed = request.head == LoadHead::Needed(kind);
            if is_needed && !lacks(kind).is_empty() && embeddings.is_some() {
                let (head, tensors) = described(names, kind);
                return Err(request.no_head(head, tensors));
            }
            task
        }
        // A file without embeddings belongs to another model; the error then lists everything that it lacks.
        (None, LoadHead::Needed(_)) if !has_head && embeddings.is_some() => {
            return Err(request.no_head("vocabulary projection", PROJECTION));
        }
        (None, LoadHead::AsFound) if held_task.is_some() => {
            held_task.map_or(with_head, |(task, _)| task)
        }
        (None, LoadHead::AsFound) if !has_head => base,
        // A caller that needs no head gets the decoder alone, or the decoder with the head of its task.
        (None, LoadHead::AsFound)
            if !has_projection && named.is_some_and(|named| named != with_head) =>
        {
            base
        }
        (None, _) => with_head,
    };
    let builds_head = architecture == with_head;
    let task = request.tasks.iter().find(|(name, _)| *name == architecture).map(|(_, kind)| *kind);
    let prefix = names.prefix(architecture);
    let untied = match embeddings {
        Some(embeddings) if tied && has_projection && builds_head => {
            !weights.same(embeddings, PROJECTION)?
        }
        _ => false,
    };
    let mut renames = BTreeMap::new();
    for name in weights.names() {
        let renamed = match (name == PROJECTION, builds_head) {
            (false, _) if is_fresh && names.is_task_head(name) => Renamed::Unused,
            (false, _) => rename(name, &prefix),
            (true, false) => Renamed::Unused,
            (true, true) if !tied || untied => Renamed::To(name.to_owned()),
            // The projection is tied: it is a copy of the embeddings, or the only tensor that holds them.
            (true, true) if embeddings.is_some() => Renamed::Ignore,
            (true, true) => rename(names.words, &prefix),
        };
        renames.insert(name.to_owned(), renamed);
    }
    let mut absent = Vec::new();
    if !has_head && named == Some(with_head) && !builds_head {
        absent.push(PROJECTION.to_owned());
    }
    if let (Some((_, kind)), true) = (request.named_task(), architecture == base) {
        absent.extend(lacks(kind));
    }
    let new = match (request.head, task) {
        (LoadHead::New(_), None) if builds_head && !has_head => vec![PROJECTION.to_owned()],
        (LoadHead::New(_), Some(kind)) => lacks(kind),
        _ => Vec::new(),
    };
    let task = task.map(|kind| TaskHead {
        kind,
        module: names.module(kind),
        outputs: names.head(kind, layers).swap_remove(0),
    });
    Ok(Plan { architecture, pooler: false, untied, new, absent, task, renames })
}

/// A task head and its tensors, for error messages.
fn described(names: &CausalNames, kind: HeadKind) -> (&'static str, &'static str) {
    match kind {
        HeadKind::TokenClassification => ("token-classification head", names.token_head),
        HeadKind::Span => ("span head", "qa_outputs.*"),
        _ => ("sequence-classification head", "score.weight"),
    }
}
