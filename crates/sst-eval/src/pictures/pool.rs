//! From the hidden states of the patches of a picture to one vector.
//!
//! Shapes: b pictures, l patches and class token, d hidden size.

use std::fmt;

use sst_core::nn::Pooling;
use sst_core::{Encoder, HeadKind, Modality, Model, PatchGrid};
use tch::{Kind, Tensor};

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

/// Whether the hidden states of an image encoder, `[b, length, d]`, begin with that of a class token.
///
/// # Errors
/// If the encoder reads no images of a size that its patches fill.
pub fn has_class_token(encoder: &dyn Encoder, length: i64) -> Result<bool, EvalError> {
    Ok(length == PatchGrid::new(encoder.spec())?.num_patches() + 1)
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
    let (_, length, _) = hidden_bld.size3()?;
    let has_class = has_class_token(encoder, length)?;
    let hidden_bld = hidden_bld.f_to_kind(Kind::Float)?;
    let patches_bpd = || hidden_bld.f_slice(1, i64::from(has_class), None, 1);
    match pooling {
        Pooling::Cls if has_class => Ok(hidden_bld.f_select(1, 0)?),
        Pooling::Mean => Ok(patches_bpd()?.f_mean_dim([1_i64].as_slice(), false, Kind::Float)?),
        Pooling::Max => Ok(patches_bpd()?.f_amax([1_i64], false)?),
        Pooling::Cls => Err(EvalError::PicturePooling(
            "the model has no class token: take the pooling mean or max".to_owned(),
        )),
        _ => Err(EvalError::PicturePooling(
            "pictures have the poolings cls, mean and max: take one of them".to_owned(),
        )),
    }
}
