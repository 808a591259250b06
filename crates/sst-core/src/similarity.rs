//! How a model with two encoders compares their vectors.

use tch::Tensor;

use crate::error::Result;

/// The learned numbers by which a model turns cosines of projected vectors into logits:
/// `cosine * exp(log_scale) + bias`.
#[derive(Debug, Clone, Copy)]
pub struct Similarity<'a> {
    /// The logarithm of the scale, one number.
    pub log_scale: &'a Tensor,
    /// The bias, one number; `None` for a model without one (CLIP).
    pub bias: Option<&'a Tensor>,
}

impl Similarity<'_> {
    /// The logits of `cosines`, in their shape.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn logits(&self, cosines: &Tensor) -> Result<Tensor> {
        let scaled = cosines.f_mul(&self.log_scale.f_exp()?)?;
        Ok(match self.bias {
            Some(bias) => scaled.f_add(bias)?,
            None => scaled,
        })
    }
}
