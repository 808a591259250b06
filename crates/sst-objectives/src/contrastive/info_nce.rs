//! Losses on vectors.
//!
//! Shapes: b rows, k keys, d width.

use sst_core::{Error, Result};
use tch::{Kind, Reduction, Tensor};

use super::temperature::Temperature;

/// What a comparison comes to.
#[derive(Debug)]
pub struct Compared {
    /// The mean loss in nats, a scalar.
    pub loss: Tensor,
    /// The share of queries that are nearest to their own key, a detached scalar.
    pub accuracy: Tensor,
}

/// InfoNCE (van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding", equation 4) on
/// cosines: the cross-entropy of query `i` of `[b, d]` with key `i` among all keys `[k, d]`, cosines being divided
/// by the temperature. `bias`, `[b, k]` or what broadcasts to it, is added to the logits.
///
/// # Errors
/// If there are fewer keys than queries, widths differ, the temperature is not above 0, or libtorch fails.
pub fn info_nce(
    query_bd: &Tensor,
    key_kd: &Tensor,
    temperature: Temperature<'_>,
    bias_bk: Option<&Tensor>,
) -> Result<Compared> {
    let (rows, keys) = (query_bd.size()[0], key_kd.size()[0]);
    if rows == 0 || keys < rows {
        return Err(Error::Contract(format!("{rows} queries cannot be compared with {keys} keys")));
    }
    let mut logits_bk = cosines(query_bd, key_kd, temperature)?;
    if let Some(bias_bk) = bias_bk {
        logits_bk = logits_bk.f_add(bias_bk)?;
    }
    let labels_b = Tensor::f_arange(rows, (Kind::Int64, query_bd.device()))?;
    compared(&logits_bk, &labels_b)
}

/// [`info_nce`] of both sides, each the other's keys, and their mean (Radford et al. 2021, "CLIP", figure 3).
///
/// # Errors
/// As there, or if there are not as many of one side as of the other.
pub fn symmetric_info_nce(
    left_bd: &Tensor,
    right_bd: &Tensor,
    temperature: Temperature<'_>,
) -> Result<Compared> {
    if left_bd.size() != right_bd.size() {
        let (left, right) = (left_bd.size(), right_bd.size());
        return Err(Error::Contract(format!("{left:?} and {right:?} are no pairs")));
    }
    let there = info_nce(left_bd, right_bd, temperature, None)?;
    let back = info_nce(right_bd, left_bd, temperature, None)?;
    let mean = |a: &Tensor, b: &Tensor| a.f_add(b)?.f_div_scalar(2);
    Ok(Compared {
        loss: mean(&there.loss, &back.loss)?,
        accuracy: mean(&there.accuracy, &back.accuracy)?,
    })
}

/// NT-Xent (Chen et al. 2020, "SimCLR", equation 1): each of the `2 b` vectors of two views is to be near its
/// other view, among all vectors but itself.
///
/// # Errors
/// As for [`symmetric_info_nce`].
pub fn nt_xent(
    left_bd: &Tensor,
    right_bd: &Tensor,
    temperature: Temperature<'_>,
) -> Result<Compared> {
    if left_bd.size() != right_bd.size() {
        let (left, right) = (left_bd.size(), right_bd.size());
        return Err(Error::Contract(format!("{left:?} and {right:?} are no pairs")));
    }
    let rows = left_bd.size()[0];
    let all = Tensor::f_cat(&[left_bd, right_bd], 0)?;
    let own = Tensor::f_eye(2 * rows, (Kind::Bool, all.device()))?;
    let logits = cosines(&all, &all, temperature)?.f_masked_fill(&own, f64::NEG_INFINITY)?;
    let labels = Tensor::f_arange(2 * rows, (Kind::Int64, all.device()))?;
    let labels = labels.f_add_scalar(rows)?.f_remainder(2 * rows)?;
    compared(&logits, &labels)
}

/// Rows of length one; fp32.
///
/// # Errors
/// If libtorch fails.
pub fn normalized(x_bd: &Tensor) -> Result<Tensor> {
    let x_bd = x_bd.f_to_kind(Kind::Float)?;
    let norms_b1 = x_bd.f_norm_scalaropt_dim(2.0, [-1_i64].as_slice(), true)?;
    Ok(x_bd.f_div(&norms_b1.f_clamp_min(1e-12)?)?)
}

/// Cosines over the temperature, `[b, k]`, fp32 whatever autocast does elsewhere: at a temperature of 0.05 the
/// rounding of bf16 would be a tenth of a nat.
fn cosines(query_bd: &Tensor, key_kd: &Tensor, temperature: Temperature<'_>) -> Result<Tensor> {
    let _full = sst_kernels::autocast(query_bd.device(), None)?;
    let (query_bd, key_kd) = (normalized(query_bd)?, normalized(key_kd)?);
    temperature.divide(&query_bd.f_matmul(&key_kd.f_transpose(0, 1)?)?)
}

fn compared(logits_bk: &Tensor, labels_b: &Tensor) -> Result<Compared> {
    let loss =
        logits_bk.f_cross_entropy_loss(labels_b, None::<&Tensor>, Reduction::Mean, -100, 0.0)?;
    let nearest_b = logits_bk.f_detach()?.f_argmax(-1, false)?;
    let accuracy = nearest_b.f_eq_tensor(labels_b)?.f_to_kind(Kind::Float)?.f_mean(Kind::Float)?;
    Ok(Compared { loss, accuracy })
}
