//! Reconstructs pictures of which most patches are masked, with a masked autoencoder (He et al. 2021, "Masked Autoencoders
//! Are Scalable Vision Learners").
//!
//! Shapes: b pictures, h height, w width, n patches of a picture, k visible ones, p values of a patch.

use sst_core::{Forward, Modality, Model, PatchGrid, Pixels};
use tch::{Device, Kind, Tensor};

use crate::error::EvalError;

/// Pictures, what a model saw of them, and what it made of that.
#[derive(Debug)]
pub struct Reconstructed {
    /// The pictures `[b, 3, h, w]` as the model reads them, in fp32 on the CPU.
    pub original: Tensor,
    /// The reconstructed pictures `[b, 3, h, w]`: the masked patches as they were predicted, and the visible ones of the
    /// original. Where the model predicts normalised patches, each gets the mean and the deviation of the original patch.
    pub reconstruction: Tensor,
    /// True at each pixel `[b, 1, h, w]` of a masked patch.
    pub is_masked: Tensor,
    /// Whether the model predicts patches that are normalised by their own mean and variance, so that their colours are
    /// those of the original.
    pub norm_pix: bool,
    /// For each picture, the mean squared error of its masked patches, as the objective `mae` has it: of normalised patches
    /// where the model predicts these.
    pub losses: Vec<f64>,
}

/// Reconstructs `pictures` `[b, 3, h, w]`, of which the model sees the patches `visible_bk` (int64).
///
/// # Errors
/// If the model cannot reconstruct pictures, the pictures are not of its size, a number of a patch is out of range, a
/// prediction is not finite, or libtorch fails.
pub fn reconstruct(
    model: &dyn Model,
    pictures: &Tensor,
    visible_bk: &Tensor,
) -> Result<Reconstructed, EvalError> {
    let device = model.params().device();
    let (encoder, decoder) = (model.encoder(Modality::Image)?, model.patch_decoder()?);
    let grid = PatchGrid::new(encoder.spec())?;
    let pictures = pictures.f_to_device(device)?;
    let visible_bk = visible_bk.f_to_device(device)?;
    tch::no_grad(|| {
        let pixels = Pixels { pixel_values: &pictures, visible: Some(&visible_bk) };
        let hidden = encoder.encode(pixels.into(), Forward::EVAL)?.hidden_bld;
        let predicted = decoder.decode(&hidden, &visible_bk, Forward::EVAL)?;
        let predicted_bnp = predicted.f_to_kind(Kind::Float)?;
        if !bool::try_from(predicted_bnp.f_isfinite()?.f_all()?)? {
            return Err(EvalError::NotFinite("a reconstruction".to_owned()));
        }
        let original_bnp = grid.cut(&pictures)?;
        let [normal, mean, deviation] = PatchGrid::normalize(&original_bnp)?;
        let (target, shown_bnp) = match decoder.norm_pix() {
            true => (normal, predicted_bnp.f_mul(&deviation)?.f_add(&mean)?),
            false => (original_bnp.shallow_clone(), predicted_bnp.shallow_clone()),
        };
        let masked_bn = grid.masked(&visible_bk)?;
        let errors = predicted_bnp.f_sub(&target)?.f_square()?;
        let errors_bn = errors.f_mean_dim([-1_i64].as_slice(), false, Kind::Float)?;
        let sum = |x: &Tensor| x.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Double);
        let losses = sum(&errors_bn.f_mul(&masked_bn)?)?.f_div(&sum(&masked_bn)?)?;
        let masked_bn1 = masked_bn.f_unsqueeze(-1)?;
        let is_masked = masked_bn1.f_to_kind(Kind::Bool)?;
        let shown = shown_bnp.f_where_self(&is_masked, &original_bnp)?;
        let mask = grid.join(&is_masked.f_expand_as(&original_bnp)?.f_contiguous()?)?;
        let cpu = |x: &Tensor| x.f_to_device(Device::Cpu);
        Ok(Reconstructed {
            original: cpu(&pictures)?,
            reconstruction: cpu(&grid.join(&shown)?)?,
            is_masked: cpu(&mask.f_narrow(1, 0, 1)?)?,
            norm_pix: decoder.norm_pix(),
            losses: Vec::<f64>::try_from(cpu(&losses)?)?,
        })
    })
}
