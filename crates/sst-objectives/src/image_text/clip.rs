//! CLIP (Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", figure 3): the
//! cross-entropy of each picture over all captions of the batch, and of each caption over all pictures.
//!
//! Shapes: b pictures (and captions).

use sst_core::Result;
use tch::{Kind, Tensor};

use super::method::{Method, entry};
use crate::entry::Entry;

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = entry::<Clip>();

struct Clip;

impl Method for Clip {
    const NAME: &'static str = "clip";
    const SUMMARY: &'static str = "CLIP: tells the caption of each picture from those of the others in the batch, and the reverse";
    const MODEL_TYPES: &'static [&'static str] = &["clip", "vision-text-dual-encoder"];
    const HAS_BIAS: bool = false;

    fn loss(logits_bb: &Tensor, positive_bb: &Tensor) -> Result<Tensor> {
        clip_loss(logits_bb, positive_bb)
    }

    /// A guess among b.
    fn untrained_loss(b: i64) -> Option<f64> {
        Some((b as f64).ln())
    }
}

/// The mean over pictures (rows) and captions (columns) of the cross-entropy of logits `[b, b]`. Where several captions belong
/// to a picture, as `positive_bb` (bool) says, each has the same share of the target (Yang et al. 2022, "Unified Contrastive
/// Learning in Image-Text-Label Space", equation 3).
///
/// # Errors
/// If libtorch fails.
pub fn clip_loss(logits_bb: &Tensor, positive_bb: &Tensor) -> Result<Tensor> {
    let positive_bb = positive_bb.f_to_kind(Kind::Float)?;
    let of = |axis: i64| -> Result<Tensor> {
        let counts = positive_bb.f_sum_dim_intlist([axis].as_slice(), true, Kind::Float)?;
        let target = positive_bb.f_div(&counts)?;
        let log_p = logits_bb.f_log_softmax(axis, Kind::Float)?;
        let rows =
            log_p.f_mul(&target)?.f_sum_dim_intlist([axis].as_slice(), false, Kind::Float)?;
        Ok(rows.f_mean(Kind::Float)?.f_neg()?)
    };
    Ok(of(1)?.f_add(&of(0)?)?.f_div_scalar(2)?)
}
