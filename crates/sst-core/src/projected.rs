//! Encodes inputs of one of two modalities into the space that they share.

use tch::{Kind, Tensor};

use crate::error::Result;
use crate::forward::Forward;
use crate::input::Input;
use crate::kind::HeadKind;
use crate::model::Model;

/// The projected vectors `[b, p]` of the rows of `input` in fp32, which are not scaled to length 1. The model has an encoder
/// for the modality of `input`, and the head [`HeadKind::Projection`] of it.
///
/// # Errors
/// If the model has no such encoder or head, the input does not fit the encoder, or libtorch fails.
pub fn encode_projected(model: &dyn Model, input: Input<'_>, forward: Forward) -> Result<Tensor> {
    let modality = input.modality();
    let head = model.head(HeadKind::Projection(modality))?;
    let hidden = model.encoder(modality)?.encode_for(input, head.input(), forward)?;
    Ok(head.logits(&hidden, forward)?.f_to_kind(Kind::Float)?)
}
