//! From the hidden states of the patches of a picture to one vector.
//!
//! Shapes: b pictures, l patches and class token, d hidden size.

use std::fmt;

use sst_core::nn::Pooling;
use sst_core::{Encoder, Error, HeadKind, Modality, Model, pool_patches};
use tch::Tensor;

use crate::error::EvalError;

/// Which vector of a picture is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureVector {
    /// The projection into the space that pictures and texts share.
    Projected,
    /// The last hidden states, pooled.
    Pooled(Pooling),
}

impl PictureVector {
    /// The vector of a picture in `model`, if no other is asked for: the projection, or the class token of a model that has no
    /// projection.
    pub fn of(model: &dyn Model) -> Self {
        match model.head(HeadKind::Projection(Modality::Image)) {
            Ok(_) => Self::Projected,
            Err(_) => Self::Pooled(Pooling::Cls),
        }
    }
}

impl fmt::Display for PictureVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Projected => "the projection into the space that pictures and texts share",
            Self::Pooled(Pooling::Cls) => "the class token of the last layer",
            Self::Pooled(Pooling::Mean) => "the mean of the patches of the last layer",
            Self::Pooled(_) => "the greatest values of the patches of the last layer",
        })
    }
}

/// The vectors `[b, d]` in fp32 of hidden states `[b, l, d]`: the class token, or the mean or the maximum of the patches,
/// without the class token.
///
/// # Errors
/// If pictures have no such pooling, or the model has no class token.
pub(crate) fn pool(
    encoder: &dyn Encoder,
    hidden_bld: &Tensor,
    pooling: Pooling,
) -> Result<Tensor, EvalError> {
    pool_patches(encoder, hidden_bld, pooling).map_err(|error| match error {
        Error::Config { key: _, reason } => EvalError::PicturePooling(reason),
        other => other.into(),
    })
}
