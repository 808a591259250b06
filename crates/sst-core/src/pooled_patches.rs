//! Pools the hidden states of the patches of an image into one vector.
//!
//! Shapes: b images, l patches and class token, p patches, d hidden size.

use tch::{Kind, Tensor};

use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::nn::Pooling;
use crate::patches::PatchGrid;

/// Whether the hidden states of an image encoder, `[b, length, d]`, begin with that of a class token.
///
/// # Errors
/// If the encoder reads no images of a size that its patches fill.
pub fn has_class_token(encoder: &dyn Encoder, length: i64) -> Result<bool> {
    Ok(length == PatchGrid::new(encoder.spec())?.num_patches() + 1)
}

/// The vectors `[b, d]` in fp32 of hidden states `[b, l, d]` of all patches: the class token, or the mean or the maximum of
/// the patches, without the class token.
///
/// # Errors
/// If images have no such pooling, or the model has no class token ([`Error::Config`]).
pub fn pool_patches(
    encoder: &dyn Encoder,
    hidden_bld: &Tensor,
    pooling: Pooling,
) -> Result<Tensor> {
    let (_, length, _) = hidden_bld.size3()?;
    let has_class = has_class_token(encoder, length)?;
    let hidden_bld = hidden_bld.f_to_kind(Kind::Float)?;
    let patches_bpd = || hidden_bld.f_slice(1, i64::from(has_class), None, 1);
    let refuse =
        |reason: &str| Err(Error::Config { key: "pooling".to_owned(), reason: reason.to_owned() });
    match pooling {
        Pooling::Cls if has_class => Ok(hidden_bld.f_select(1, 0)?),
        Pooling::Mean => Ok(patches_bpd()?.f_mean_dim([1_i64].as_slice(), false, Kind::Float)?),
        Pooling::Max => Ok(patches_bpd()?.f_amax([1_i64], false)?),
        Pooling::Cls => refuse("the model has no class token: take the pooling mean or max"),
        _ => refuse("pictures have the poolings cls, mean and max: take one of them"),
    }
}
