//! How the tensors of a file are used in a dual encoder.

use sst_core::checkpoint::Renamed;
use sst_core::{HeadKind, Modality};

use super::tower::{TowerEntry, names};
use super::{TEXT, VISION};
use crate::error::ModelError;
use crate::plan::{LoadHead, Plan, Request};
use crate::registry;

/// A dual encoder has one architecture, whose heads are its projections.
pub(crate) fn plan(request: &Request<'_>) -> Result<Plan, ModelError> {
    if let LoadHead::Needed(kind) | LoadHead::New(kind) = request.head
        && !matches!(kind, HeadKind::Projection(_))
    {
        return Err(request.no_such_head(kind));
    }
    let architecture = request.architecture.unwrap_or(request.architectures[0]);
    let parts = (registry::entry(request.model_type)?.parts)(request.config)?;
    let towers: Vec<&TowerEntry> = parts.iter().map(|part| part.tower).collect();
    let renames = request.weights.names().map(|name| (name.to_owned(), renamed(name, &towers)));
    let renames = renames.collect();
    let (new, absent, task) = (Vec::new(), Vec::new(), None);
    Ok(Plan { architecture, pooler: true, untied: false, new, absent, task, renames })
}

/// The use of a tensor.
fn renamed(name: &str, towers: &[&TowerEntry]) -> Renamed {
    for tower in towers {
        let (module, _) = names(tower.modality);
        let Some(rest) = name.strip_prefix(module).and_then(|rest| rest.strip_prefix('.')) else {
            continue;
        };
        return match (tower.rename)(rest) {
            Renamed::To(target) => Renamed::To(format!("{module}.{target}")),
            other => other,
        };
    }
    Renamed::To(name.to_owned())
}

/// The parameter that a tensor of an adapter stands for: sst writes them under the names of the model.
pub(crate) fn parameter(name: &str, _architecture: &str) -> Renamed {
    Renamed::To(name.to_owned())
}

/// The names of a tower of CLIP or SigLIP. `name` may begin with the module of the tower, as in files of the whole model
/// and of transformers 4. Tensors of the other tower and of projections are not used.
pub(crate) fn tower_name(name: &str, modality: Modality) -> Renamed {
    // transformers saved these buffers until version 4.31.
    if name.ends_with("embeddings.position_ids") {
        return Renamed::Ignore;
    }
    let (module, _) = names(modality);
    let rest = name.strip_prefix(module).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
    let first = rest.split('.').next().unwrap_or_default();
    let others =
        [TEXT, VISION, "text_projection", "visual_projection", "logit_scale", "logit_bias"];
    match others.contains(&first) {
        true => Renamed::Unused,
        false => Renamed::To(rest.to_owned()),
    }
}
