//! How the tensors of a file are used in a dual encoder.

use sst_core::HeadKind;
use sst_core::checkpoint::Renamed;

use crate::error::ModelError;
use crate::plan::{LoadHead, Plan, Request};
use crate::tower::{ConfigPart, TowerEntry, names};

/// A dual encoder has one architecture, whose heads are its projections. `parts` are the configurations of its towers.
pub(crate) fn plan(request: &Request<'_>, parts: &[ConfigPart]) -> Result<Plan, ModelError> {
    if let LoadHead::Needed(kind) | LoadHead::New(kind) = request.head
        && !matches!(kind, HeadKind::Projection(_))
    {
        return Err(request.no_such_head(kind));
    }
    let architecture = request.architecture.unwrap_or(request.architectures[0]);
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
