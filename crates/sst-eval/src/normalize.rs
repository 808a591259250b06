//! Normalises vectors, so that their dot products are cosine similarities.

use tch::Tensor;

use crate::error::EvalError;

/// Divides each row of `x_nd` `[n, d]` by its L2 norm. A row of zeros stays unchanged.
///
/// # Errors
/// If libtorch fails.
pub fn normalize_rows(x_nd: &Tensor) -> Result<Tensor, EvalError> {
    let norms_n1 = x_nd.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)?;
    Ok(x_nd.f_div(&norms_n1.f_clamp_min(1e-12)?)?)
}
