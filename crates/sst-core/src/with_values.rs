//! Other values for parameters, for the time of a computation.

use tch::Tensor;

use crate::error::{Error, Result};

/// Runs `work` while parameters have other values, and puts the first values back afterwards, also if `work` fails.
///
/// `values` pairs each parameter with its other value, of the same shape and on the same device. As with PyTorch's
/// `param.data = value`, the parameter takes over the storage of the value: nothing is copied, every handle on the
/// parameter sees the value, and its gradient and `requires_grad` stay. An update in place by `work` would change the
/// value that was passed. The casts of weights that autocast has cached are dropped before and after.
///
/// # Errors
/// If `work` fails, a value has another shape than its parameter, or libtorch fails.
pub fn with_values<T, E: From<Error>>(
    values: Vec<(Tensor, Tensor)>,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let mut first_values = Vec::with_capacity(values.len());
    let shown = show(values, &mut first_values);
    let result = shown.map_err(E::from).and_then(|()| work());
    let restored = restore(first_values);
    let output = result?;
    restored?;
    Ok(output)
}

/// Gives each parameter its other value, and adds the parameter with its first value to `first_values`.
fn show(values: Vec<(Tensor, Tensor)>, first_values: &mut Vec<(Tensor, Tensor)>) -> Result<()> {
    sst_kernels::clear_autocast_cache()?;
    for (mut param, value) in values {
        if param.size() != value.size() {
            return Err(Error::Contract(format!(
                "a parameter has shape {:?}, and the value to show in its place {:?}",
                param.size(),
                value.size()
            )));
        }
        let first_value = param.f_detach()?;
        param.f_set_data(&value)?;
        first_values.push((param, first_value));
    }
    Ok(())
}

fn restore(first_values: Vec<(Tensor, Tensor)>) -> Result<()> {
    for (mut param, first_value) in first_values {
        param.f_set_data(&first_value)?;
    }
    Ok(sst_kernels::clear_autocast_cache()?)
}
