//! Encodes rows and pools each of them into one vector.
//!
//! Shapes: t tokens of all rows, b rows, l the longest, d width, p poolings.

use tch::{Kind, Tensor};

use crate::encoder::{Encoder, EncoderOutput};
use crate::error::{Error, Result};
use crate::forward::Forward;
use crate::input::{Input, Tokens};
use crate::nn::Pooling;
use crate::pooled_patches::pool_patches;
use crate::ragged::RaggedRows;
use crate::row_layout::RowLayout;

/// The vectors `[b, p d]` of the rows of `input` in fp32: the vectors of the p poolings side by side. Those of images are
/// poolings of their patches ([`pool_patches`]).
///
/// # Errors
/// If there is no pooling, a row is empty, the input does not fit the encoder, or libtorch fails.
pub fn encode_pooled(
    encoder: &dyn Encoder,
    input: Input<'_>,
    poolings: &[Pooling],
    forward: Forward,
) -> Result<Tensor> {
    if let ([only], Input::Tokens(Tokens { rows: Some(rows), .. })) = (poolings, input)
        && let Some(places) = only.places(rows)
        && rows.lengths().all(|length| length > 0)
    {
        // The last layer is needed at these positions only.
        let places_b = Tensor::f_from_slice(&places)?.f_to_device(rows.device())?;
        return Ok(encoder.encode_at(input, &places_b, forward)?.f_to_kind(Kind::Float)?);
    }
    let EncoderOutput { hidden_bld, rows, .. } = encoder.encode(input, forward)?;
    if let Input::Pixels(_) = input {
        let vectors = poolings.iter().map(|pooling| pool_patches(encoder, &hidden_bld, *pooling));
        return side_by_side(&vectors.collect::<Result<Vec<Tensor>>>()?);
    }
    let (hidden_td, rows) = match rows {
        RowLayout::Ragged(rows) => (hidden_bld, rows),
        RowLayout::Padded { mask_bl } => {
            let rows = rows_of(&hidden_bld, mask_bl.as_ref())?;
            // The padded length may exceed that of the longest row.
            (rows.unpad(&hidden_bld.f_narrow(1, 0, rows.longest())?)?, rows)
        }
    };
    let vectors = poolings.iter().map(|pooling| pooling.apply(&hidden_td, &rows));
    side_by_side(&vectors.collect::<Result<Vec<Tensor>>>()?)
}

fn side_by_side(vectors: &[Tensor]) -> Result<Tensor> {
    match vectors {
        [] => Err(Error::Contract("there must be a pooling".into())),
        [only] => Ok(only.shallow_clone()),
        several => Ok(Tensor::f_cat(several, 1)?),
    }
}

/// The layout of the rows of padded `[b, l, d]`, whose padding is on the right.
fn rows_of(hidden_bld: &Tensor, mask: Option<&Tensor>) -> Result<RaggedRows> {
    let (count, longest, _) = hidden_bld.size3()?;
    let lengths: Vec<i64> = match mask {
        Some(mask) => {
            Vec::try_from(mask.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Int64)?)?
        }
        None => vec![longest; count as usize],
    };
    let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
    Ok(RaggedRows::new(&lengths, hidden_bld.device()))
}
