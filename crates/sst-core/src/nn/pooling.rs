//! Pooling of the hidden states of a row into one vector.
//!
//! Shapes: t tokens of all rows, b rows, l the longest, d width.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::ragged::RaggedRows;

/// The kinds of pooling, with the names of sentence-transformers (Reimers and Gurevych 2019, "Sentence-BERT", section
/// 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The hidden state of the first token.
    Cls,
    /// The maximum of each dimension.
    Max,
    /// The mean of the hidden states.
    Mean,
    /// The sum of the hidden states divided by the square root of their number.
    #[serde(rename = "mean_sqrt_len_tokens")]
    MeanSqrtLen,
    /// The mean of the hidden states, weighted by their positions from 1 (Muennighoff 2022, "SGPT", equation 2).
    WeightedMean,
    /// The hidden state of the last token.
    LastToken,
}

impl Pooling {
    /// All kinds, in the order in which sentence-transformers concatenates the vectors of several.
    pub const ALL: [Self; 6] =
        [Self::Cls, Self::Max, Self::Mean, Self::MeanSqrtLen, Self::WeightedMean, Self::LastToken];

    /// The vectors `[b, d]` in fp32 for the last hidden states `[t, d]` of ragged rows.
    ///
    /// # Errors
    /// If a row is empty, or libtorch fails.
    pub fn apply(self, hidden_td: &Tensor, rows: &RaggedRows) -> Result<Tensor> {
        if rows.lengths().any(|length| length == 0) {
            return Err(Error::Contract("a row without tokens has no vector".into()));
        }
        // Hidden states after the last row belong to no token.
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

    /// The positions in `[t]` of the hidden states that the pooling needs, one for each row; `None` if it needs all
    /// of them.
    pub(crate) fn places(self, rows: &RaggedRows) -> Option<Vec<i64>> {
        let bounds = rows.offsets().windows(2);
        match self {
            Self::Cls => Some(bounds.map(|pair| pair[0]).collect()),
            Self::LastToken => Some(bounds.map(|pair| pair[1] - 1).collect()),
            _ => None,
        }
    }
}

/// The sums of the hidden states of each row, multiplied by a function of its length.
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
