//! Optimiser state as named tensors.

use std::collections::BTreeMap;

use sst_core::{Error, Result};
use tch::Tensor;

/// The name of a parameter's tensor of one kind: `exp_avg.NAME`.
pub(super) fn key(kind: &str, name: &str) -> String {
    format!("{kind}.{name}")
}

/// Writes `state` into `targets`, name by name.
///
/// # Errors
/// If a tensor is missing, unexpected or of another shape; nothing is changed then.
pub(super) fn load<'a>(
    targets: impl Iterator<Item = (String, &'a Tensor)>,
    mut state: BTreeMap<String, Tensor>,
) -> Result<()> {
    let mut plan = Vec::new();
    for (name, target) in targets {
        let Some(value) = state.remove(&name) else {
            return Err(Error::Contract(format!("the optimiser's state lacks `{name}`")));
        };
        if value.size() != target.size() {
            return Err(Error::Contract(format!(
                "`{name}` of the optimiser's state has shape {:?}, and the parameter {:?}",
                value.size(),
                target.size()
            )));
        }
        plan.push((target.shallow_clone(), value));
    }
    if let Some(name) = state.keys().next() {
        let message = format!("no trainable parameter takes `{name}` of the optimiser's state");
        return Err(Error::Contract(message));
    }
    for (mut target, value) in plan {
        target.f_copy_(&value)?;
    }
    Ok(())
}
