//! Contrastive losses on vectors.
//!
//! Shapes: b rows (queries), k keys, d the width of the vectors.

use sst_core::{Error, Result};
use tch::{Kind, Reduction, Tensor};

use super::temperature::Temperature;

/// A contrastive loss and its accuracy.
#[derive(Debug)]
pub struct ContrastiveLoss {
    /// The mean loss in nats, a scalar.
    pub loss: Tensor,
    /// The fraction of queries whose most similar key is the positive one, a detached scalar.
    pub accuracy: Tensor,
}

/// InfoNCE (van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding", equation 4) with
/// cosine similarity. The logits `[b, k]` are the cosine similarities of the queries `[b, d]` and the keys `[k, d]`,
/// divided by the temperature; the loss is their mean cross-entropy, where the label of query `i` is key `i`. `bias_bk`
/// (of any shape that broadcasts to `[b, k]`) is added to the logits.
///
/// # Errors
/// If there are no queries or fewer keys than queries, the widths differ, the temperature is not above 0, or libtorch
/// fails.
pub fn info_nce(
    query_bd: &Tensor,
    key_kd: &Tensor,
    temperature: Temperature<'_>,
    bias_bk: Option<&Tensor>,
) -> Result<ContrastiveLoss> {
    let (rows, keys) = (query_bd.size()[0], key_kd.size()[0]);
    if rows == 0 || keys < rows {
        return Err(Error::Contract(format!("{rows} queries cannot be compared with {keys} keys")));
    }
    let mut logits_bk = cosines(query_bd, key_kd, temperature)?;
    if let Some(bias_bk) = bias_bk {
        logits_bk = logits_bk.f_add(bias_bk)?;
    }
    let labels_b = Tensor::f_arange(rows, (Kind::Int64, query_bd.device()))?;
    cross_entropy(&logits_bk, &labels_b)
}

/// The mean of [`info_nce`] in both directions: left vectors as queries and right vectors as keys, and the reverse
/// (Radford et al. 2021, "CLIP", figure 3). Both sides are `[b, d]`.
///
/// # Errors
/// Those of [`info_nce`], or if the shapes of the two sides differ.
pub fn symmetric_info_nce(
    left_bd: &Tensor,
    right_bd: &Tensor,
    temperature: Temperature<'_>,
) -> Result<ContrastiveLoss> {
    check_pairs(left_bd, right_bd)?;
    let left_to_right = info_nce(left_bd, right_bd, temperature, None)?;
    let right_to_left = info_nce(right_bd, left_bd, temperature, None)?;
    left_to_right.mean(&right_to_left)
}

/// NT-Xent (Chen et al. 2020, "SimCLR", equation 1) on two views, each `[b, d]`. The positive of each of the `2 b`
/// vectors is the other view of the same row; the negatives are all other vectors except itself.
///
/// # Errors
/// Those of [`symmetric_info_nce`].
pub fn nt_xent(
    left_bd: &Tensor,
    right_bd: &Tensor,
    temperature: Temperature<'_>,
) -> Result<ContrastiveLoss> {
    check_pairs(left_bd, right_bd)?;
    let rows = left_bd.size()[0];
    let vectors = Tensor::f_cat(&[left_bd, right_bd], 0)?;
    let is_self = Tensor::f_eye(2 * rows, (Kind::Bool, vectors.device()))?;
    let logits =
        cosines(&vectors, &vectors, temperature)?.f_masked_fill(&is_self, f64::NEG_INFINITY)?;
    let labels = Tensor::f_arange(2 * rows, (Kind::Int64, vectors.device()))?
        .f_add_scalar(rows)?
        .f_remainder(2 * rows)?;
    cross_entropy(&logits, &labels)
}

/// The vectors `[b, d]`, scaled to length 1, in fp32.
///
/// # Errors
/// If libtorch fails.
pub fn normalized(x_bd: &Tensor) -> Result<Tensor> {
    let x_bd = x_bd.f_to_kind(Kind::Float)?;
    let norms_b1 = x_bd.f_norm_scalaropt_dim(2.0, [-1_i64].as_slice(), true)?;
    Ok(x_bd.f_div(&norms_b1.f_clamp_min(1e-12)?)?)
}

fn check_pairs(left_bd: &Tensor, right_bd: &Tensor) -> Result<()> {
    let (left, right) = (left_bd.size(), right_bd.size());
    match left == right {
        true => Ok(()),
        false => Err(Error::Contract(format!(
            "vectors of shape {left:?} and {right:?} do not form pairs; both sides need the same shape"
        ))),
    }
}

/// Cosine similarities divided by the temperature, `[b, k]`. They are computed in fp32 even under autocast: at a
/// temperature of 0.05, the rounding of bf16 would change a logit by a tenth of a nat.
fn cosines(query_bd: &Tensor, key_kd: &Tensor, temperature: Temperature<'_>) -> Result<Tensor> {
    let _full = sst_kernels::autocast(query_bd.device(), None)?;
    let (query_bd, key_kd) = (normalized(query_bd)?, normalized(key_kd)?);
    temperature.divide(&query_bd.f_matmul(&key_kd.f_transpose(0, 1)?)?)
}

fn cross_entropy(logits_bk: &Tensor, labels_b: &Tensor) -> Result<ContrastiveLoss> {
    let loss =
        logits_bk.f_cross_entropy_loss(labels_b, None::<&Tensor>, Reduction::Mean, -100, 0.0)?;
    let nearest_b = logits_bk.f_detach()?.f_argmax(-1, false)?;
    let accuracy = nearest_b.f_eq_tensor(labels_b)?.f_to_kind(Kind::Float)?.f_mean(Kind::Float)?;
    Ok(ContrastiveLoss { loss, accuracy })
}

impl ContrastiveLoss {
    /// The mean of two losses, and of their accuracies.
    pub(super) fn mean(&self, other: &Self) -> Result<Self> {
        let mean = |a: &Tensor, b: &Tensor| a.f_add(b)?.f_div_scalar(2);
        Ok(Self {
            loss: mean(&self.loss, &other.loss)?,
            accuracy: mean(&self.accuracy, &other.accuracy)?,
        })
    }
}
