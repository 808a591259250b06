//! SigLIP (Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", algorithm 1): for each picture and each caption
//! of the batch, whether they belong together.
//!
//! Shapes: b pictures (and captions).

use sst_core::Result;
use tch::{Kind, Tensor};

use super::method::{Method, entry};
use crate::entry::Entry;

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = entry::<SigLip>();

struct SigLip;

impl Method for SigLip {
    const NAME: &'static str = "siglip";
    const SUMMARY: &'static str =
        "SigLIP: says of each picture and each caption of the batch whether they belong together";
    const MODEL_TYPES: &'static [&'static str] = &["siglip"];
    const HAS_BIAS: bool = true;

    fn loss(logits_bb: &Tensor, positive_bb: &Tensor) -> Result<Tensor> {
        siglip_loss(logits_bb, positive_bb)
    }

    /// It depends on the bias.
    fn untrained_loss(_: i64) -> Option<f64> {
        None
    }
}

/// The sum over all pictures (rows) and captions (columns) of the logistic loss of logits `[b, b]`, divided by b.
/// `positive_bb` (bool) says which belong together.
///
/// # Errors
/// If libtorch fails.
pub fn siglip_loss(logits_bb: &Tensor, positive_bb: &Tensor) -> Result<Tensor> {
    let sign_bb = positive_bb.f_to_kind(Kind::Float)?.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?;
    let rows = logits_bb.size()[0];
    let log_p = logits_bb.f_mul(&sign_bb)?.f_log_sigmoid()?;
    Ok(log_p.f_sum(Kind::Float)?.f_neg()?.f_div_scalar(rows)?)
}
