//! From the tokens of a row to one vector.
//!
//! Shapes: t tokens of all rows, b rows, l the longest, d width, p poolings.

use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::model::{Encoder, EncoderInput, Forward};
use crate::nn::Pooling;
use crate::ragged::RaggedRows;

/// The vectors `[b, p d]` of the rows of `input` in fp32: those of each of the p poolings, side by side.
///
/// # Errors
/// If there is no pooling, a row is empty, the input does not fit the encoder, or libtorch fails.
pub fn encode_pooled(
    encoder: &dyn Encoder,
    input: EncoderInput<'_>,
    poolings: &[Pooling],
    forward: Forward,
) -> Result<Tensor> {
    let from_padded;
    let rows = match (input.rows, input.attention_mask) {
        (Some(rows), _) => rows,
        (None, mask) => {
            from_padded = rows_of(input.input_ids, mask)?;
            &from_padded
        }
    };
    if let ([only], Some(_)) = (poolings, input.rows)
        && let Some(places) = only.places(rows)
        && rows.lengths().all(|length| length > 0)
    {
        // The last layer needs the states of these alone.
        let places_b = Tensor::f_from_slice(&places)?.f_to_device(rows.device())?;
        return Ok(encoder.encode_at(input, &places_b, forward)?.f_to_kind(Kind::Float)?);
    }
    let hidden = encoder.encode(input, forward)?.hidden_bld;
    let hidden_td = match input.rows {
        Some(_) => hidden,
        // All rows may be shorter than what they are padded to.
        None => rows.unpad(&hidden.f_narrow(1, 0, rows.longest())?)?,
    };
    let vectors = poolings.iter().map(|pooling| pooling.apply(&hidden_td, rows));
    let vectors: Vec<Tensor> = vectors.collect::<Result<_>>()?;
    match vectors.as_slice() {
        [] => Err(Error::Contract("there must be a pooling".into())),
        [only] => Ok(only.shallow_clone()),
        several => Ok(Tensor::f_cat(several, 1)?),
    }
}

/// The rows of padded `[b, l]`, whose tokens come first.
fn rows_of(input_ids: &Tensor, mask: Option<&Tensor>) -> Result<RaggedRows> {
    let (count, longest) = input_ids.size2()?;
    let lengths: Vec<i64> = match mask {
        Some(mask) => {
            Vec::try_from(mask.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Int64)?)?
        }
        None => vec![longest; count as usize],
    };
    let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
    Ok(RaggedRows::new(&lengths, input_ids.device()))
}
