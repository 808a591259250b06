//! The towers of all models.

use sst_core::Modality;

use crate::error::{ModelError, bad};
use crate::registry;
use crate::tower::{TowerEntry, names};

/// The tower of this modality whose configuration has this type.
pub(super) fn of_type(
    modality: Modality,
    model_type: &str,
) -> Result<&'static TowerEntry, ModelError> {
    let all = || registry::list().iter().flat_map(|entry| entry.towers);
    let of_modality = |tower: &&TowerEntry| tower.modality == modality;
    let found = all().filter(of_modality).find(|tower| tower.model_type == model_type);
    found.ok_or_else(|| {
        let mut known: Vec<&str> = all().filter(of_modality).map(|t| t.model_type).collect();
        known.dedup();
        let (_, key) = names(modality);
        let message = format!(
            "there is no {modality} tower of type `{model_type}`; sst has {}",
            known.join(", ")
        );
        bad(&format!("{key}.model_type"), &message)
    })
}

/// The tower of this modality of a model whose config.json has this type: a whole model, or the tower alone.
pub(crate) fn of_model(
    modality: Modality,
    model_type: &str,
) -> Result<(&'static TowerEntry, bool), ModelError> {
    let entry = registry::list().iter().find(|entry| entry.model_type == model_type);
    let towers = entry.map(|entry| entry.towers).unwrap_or_default();
    match towers.iter().find(|tower| tower.modality == modality) {
        Some(tower) => Ok((tower, true)),
        None => Ok((of_type(modality, model_type)?, false)),
    }
}
