//! The state of an optimiser as named tensors.

use std::collections::BTreeMap;

use sst_core::{Error, Result};
use tch::Tensor;

/// The name of a state tensor: `exp_avg.NAME` for the kind `exp_avg` and the parameter `NAME`.
pub(super) fn key(kind: &str, name: &str) -> String {
    format!("{kind}.{name}")
}

/// Copies each tensor of `state` into the target of the same name.
///
/// # Errors
/// If a tensor is missing, unexpected or of another shape. No target is then changed.
pub(super) fn load<'a>(
    targets: impl Iterator<Item = (String, &'a Tensor)>,
    mut state: BTreeMap<String, Tensor>,
) -> Result<()> {
    let mut copies = Vec::new();
    for (name, target) in targets {
        let Some(value) = state.remove(&name) else {
            return Err(Error::Contract(format!("the optimiser's state lacks `{name}`")));
        };
        if value.size() != target.size() {
            return Err(Error::Contract(format!(
                "`{name}` has shape {:?} in the optimiser's state, and {:?} in this run",
                value.size(),
                target.size()
            )));
        }
        copies.push((target.shallow_clone(), value));
    }
    if let Some(name) = state.keys().next() {
        let message =
            format!("`{name}` of the optimiser's state belongs to no trainable parameter");
        return Err(Error::Contract(message));
    }
    for (mut target, value) in copies {
        target.f_copy_(&value)?;
    }
    Ok(())
}
