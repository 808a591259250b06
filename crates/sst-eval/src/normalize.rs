//! Vectors of length 1, whose dot products are cosines.

use tch::Tensor;

use crate::error::EvalError;

/// The rows of `x_nd` `[n, d]`, each divided by its length. A row of zeros stays as it is.
pub(crate) fn unit(x_nd: &Tensor) -> Result<Tensor, EvalError> {
    let norms_n1 = x_nd.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)?;
    Ok(x_nd.f_div(&norms_n1.f_clamp_min(1e-12)?)?)
}
