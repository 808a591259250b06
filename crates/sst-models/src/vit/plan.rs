//! Decides which architecture of ViT a file of weights is loaded as.

use std::collections::{BTreeMap, BTreeSet};

use sst_core::HeadKind;
use sst_core::checkpoint::Renamed;

use super::names::{canonical, is_base};
use crate::error::ModelError;
use crate::heads::HeadConfig;
use crate::plan::{LoadHead, Plan, Request, TaskHead};

/// The encoder, which may have a pooler.
pub(super) const BASE: &str = "ViTModel";
/// The encoder with a head that classifies images by the class token.
pub(super) const CLASSIFICATION: &str = "ViTForImageClassification";
/// The module of that head.
const CLASSIFIER: &str = "classifier";
pub(super) const POOLER: [&str; 2] = ["pooler.dense.weight", "pooler.dense.bias"];

/// Chooses the architecture of the task that the config names, if the file holds its head; or else the encoder alone.
pub(super) fn plan(request: &Request<'_>) -> Result<Plan, ModelError> {
    let names: Vec<(&str, String)> =
        request.weights.names().map(|name| (name, canonical(name))).collect();
    let held: BTreeSet<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
    let (layers, is_fresh) = (HeadConfig::of(request.config)?, request.starts_head_anew());
    let is_head = |name: &str| name.split('.').next() == Some(CLASSIFIER);
    let mut lacking = layers.parameters(CLASSIFIER, true);
    lacking.retain(|name| is_fresh || !held.contains(name.as_str()));
    let named = request.named();
    let has_embeddings = held.contains("embeddings.cls_token");
    let architecture = match (request.architecture, request.head) {
        (Some(asked), _) => asked,
        (None, LoadHead::AsFound) => match named == Some(CLASSIFICATION) && lacking.is_empty() {
            true => CLASSIFICATION,
            false => BASE,
        },
        (None, LoadHead::Needed(kind) | LoadHead::New(kind)) => {
            let task = request.task_with(kind).ok_or_else(|| request.no_such_head(kind))?;
            let is_needed = matches!(request.head, LoadHead::Needed(_));
            // A file without embeddings belongs to another model; the error then lists everything that it lacks.
            if is_needed && !lacking.is_empty() && has_embeddings {
                return Err(request.no_head("image-classification head", "classifier.*"));
            }
            task
        }
    };
    let classifies = architecture == CLASSIFICATION;
    let has_pooler = POOLER.iter().all(|name| held.contains(name));
    let mut absent = Vec::new();
    if named == Some(CLASSIFICATION) && !classifies {
        absent.extend(lacking.clone());
    }
    if named == Some(BASE) && !classifies && !has_pooler {
        absent.extend(POOLER.map(str::to_owned));
    }
    let renames = names.iter().map(|(name, target)| {
        let renamed = match is_head(target) && (!classifies || is_fresh) {
            true => Renamed::Unused,
            false => Renamed::To(prefixed(target, architecture)),
        };
        ((*name).to_owned(), renamed)
    });
    let renames: BTreeMap<String, Renamed> = renames.collect();
    let task = classifies.then(|| TaskHead {
        kind: HeadKind::SequenceClassification,
        module: CLASSIFIER,
        outputs: layers.parameters(CLASSIFIER, true).swap_remove(0),
    });
    let new = match request.head {
        LoadHead::New(_) if classifies => lacking,
        _ => Vec::new(),
    };
    Ok(Plan { architecture, pooler: has_pooler, untied: false, new, absent, task, renames })
}

/// The parameter that a tensor of any spelling stands for, in this architecture.
pub(super) fn parameter(name: &str, architecture: &str) -> Renamed {
    Renamed::To(prefixed(&canonical(name), architecture))
}

/// The name of a parameter in the model. Beside a head, the encoder's parameters have the prefix `vit.`.
fn prefixed(name: &str, architecture: &str) -> String {
    match is_base(name) && architecture != BASE {
        true => format!("vit.{name}"),
        false => name.to_owned(),
    }
}
