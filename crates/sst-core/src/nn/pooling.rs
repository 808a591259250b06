//! From the hidden states of a row to one vector.
//!
//! Shapes: t tokens of all rows, b rows, l the longest, d width.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::encoder::{Encoder, EncoderOutput, Forward};
use crate::error::{Error, Result};
use crate::input::{Input, Tokens};
use crate::ragged::{RaggedRows, RowLayout};

/// How the hidden states of a row become one vector, named as in sentence-transformers (Reimers and Gurevych 2019,
/// "Sentence-BERT", section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// That of the first token.
    Cls,
    /// The largest of each dimension.
    Max,
    /// Their mean.
    Mean,
    /// Their sum over the root of their number.
    #[serde(rename = "mean_sqrt_len_tokens")]
    MeanSqrtLen,
    /// Their mean, each weighted by its place, from 1 (Muennighoff 2022, "SGPT", equation 2).
    WeightedMean,
    /// That of the last token.
    LastToken,
}

impl Pooling {
    /// All of them, in the order in which sentence-transformers puts the vectors of several.
    pub const ALL: [Self; 6] =
        [Self::Cls, Self::Max, Self::Mean, Self::MeanSqrtLen, Self::WeightedMean, Self::LastToken];

    /// `[b, d]` in fp32 from the last hidden states `[t, d]` of ragged rows, none of them empty.
    ///
    /// # Errors
    /// If a row is empty, or libtorch fails.
    pub fn apply(self, hidden_td: &Tensor, rows: &RaggedRows) -> Result<Tensor> {
        if rows.lengths().any(|length| length == 0) {
            return Err(Error::Contract("a row without tokens has no vector".into()));
        }
        // What comes after the last row is of no row.
        let hidden_td = hidden_td.f_narrow(0, 0, rows.num_tokens())?.f_to_kind(Kind::Float)?;
        match self {
            Self::Cls => rows.first(&hidden_td),
            Self::LastToken => rows.last(&hidden_td),
            Self::Max => {
                let outside_bl1 = rows.mask()?.f_logical_not()?.f_unsqueeze(-1)?;
                let padded_bld = rows.pad(&hidden_td)?;
                let padded_bld = padded_bld.f_masked_fill(&outside_bl1, f64::NEG_INFINITY)?;
                Ok(padded_bld.f_max_dim(1, false)?.0)
            }
            Self::Mean => sums(&hidden_td, rows, |length| 1.0 / length),
            Self::MeanSqrtLen => sums(&hidden_td, rows, |length| 1.0 / length.sqrt()),
            Self::WeightedMean => {
                let places_t1 = rows.positions()?.f_add_scalar(1)?.f_unsqueeze(1)?;
                let weighted_td = hidden_td.f_mul(&places_t1)?;
                sums(&weighted_td, rows, |length| 2.0 / (length * (length + 1.0)))
            }
        }
    }

    /// The places in `[t]` of the only hidden states that matter, one a row; `None` if all do.
    fn places(self, rows: &RaggedRows) -> Option<Vec<i64>> {
        let bounds = rows.offsets().windows(2);
        match self {
            Self::Cls => Some(bounds.map(|pair| pair[0]).collect()),
            Self::LastToken => Some(bounds.map(|pair| pair[1] - 1).collect()),
            _ => None,
        }
    }
}

/// The sums of each row, times a function of its length.
fn sums(x_td: &Tensor, rows: &RaggedRows, factor: impl Fn(f64) -> f64) -> Result<Tensor> {
    let numbers: Vec<i64> = (0..)
        .zip(rows.lengths())
        .flat_map(|(row, length)| std::iter::repeat_n(row, length as usize))
        .collect();
    let numbers_t = Tensor::f_from_slice(&numbers)?.f_to_device(rows.device())?;
    let zeros_bd =
        x_td.f_new_zeros([rows.num_rows(), x_td.size()[1]], (Kind::Float, x_td.device()))?;
    let sums_bd = zeros_bd.f_index_add(0, &numbers_t, x_td)?;
    let factors: Vec<f32> = rows.lengths().map(|length| factor(length as f64) as f32).collect();
    let factors_b1 = Tensor::f_from_slice(&factors)?.f_unsqueeze(1)?.f_to_device(rows.device())?;
    Ok(sums_bd.f_mul(&factors_b1)?)
}

/// The vectors `[b, p d]` of the rows of `input` in fp32: those of each of the p poolings, side by side.
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
        // The last layer needs the states of these alone.
        let places_b = Tensor::f_from_slice(&places)?.f_to_device(rows.device())?;
        return Ok(encoder.encode_at(input, &places_b, forward)?.f_to_kind(Kind::Float)?);
    }
    let EncoderOutput { hidden_bld, rows, .. } = encoder.encode(input, forward)?;
    let (hidden_td, rows) = match rows {
        RowLayout::Ragged(rows) => (hidden_bld, rows),
        RowLayout::Padded { mask_bl } => {
            let rows = rows_of(&hidden_bld, mask_bl.as_ref())?;
            // All rows may be shorter than what they are padded to.
            (rows.unpad(&hidden_bld.f_narrow(1, 0, rows.longest())?)?, rows)
        }
    };
    let vectors = poolings.iter().map(|pooling| pooling.apply(&hidden_td, &rows));
    let vectors: Vec<Tensor> = vectors.collect::<Result<_>>()?;
    match vectors.as_slice() {
        [] => Err(Error::Contract("there must be a pooling".into())),
        [only] => Ok(only.shallow_clone()),
        several => Ok(Tensor::f_cat(several, 1)?),
    }
}

/// The rows of padded `[b, l, d]`, whose tokens come first.
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
