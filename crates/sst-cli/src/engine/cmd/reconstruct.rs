//! `sst reconstruct`.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sst_cli::args::ReconstructArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::host::output;
use sst_cli::render;
use sst_core::{Batch, Modality, Model, PatchGrid};
use sst_data::pictures::transform::NormalizeConfig;
use sst_data::pictures::{ImageProcessor, Picture};
use sst_data::rows::{Dataset, Subset};
use sst_data::{Collate, Example, Ledger, SeqRng};
use sst_eval::reconstruct::{Reconstructed, reconstruct};
use sst_models::LoadHead;
use sst_objectives::ObjectiveError;
use sst_objectives::mae::{MaeCollate, MaeConfig};
use tch::{Kind, Tensor};

use super::pictures::{PictureFiles, images, must_read};
use super::sheet::{self, Tile};
use crate::{model, settings};

/// Pictures beside each other on the sheet.
const COLUMNS: usize = 8;
/// The value of a pixel of a masked patch.
const GREY: u8 = 128;

/// Reconstructs pictures and writes the sheet.
///
/// # Errors
/// If an argument is wrong, the model is no masked autoencoder, model or data cannot be read, or the file cannot be written.
pub(crate) fn run(args: &ReconstructArgs) -> Result<Exit> {
    sheet::must_be_png("--out", &args.out)?;
    output::check_paths("--out", &args.out, &args.data)?;
    let found = model::find(&args.model)?;
    must_read(&found, Modality::Image)?;
    let device = settings::open_device(&args.device)?;
    let ledger = Ledger::new();
    let (model, processor) = found.load(device, LoadHead::AsFound, &ledger)?;
    if let Err(error) = model.patch_decoder() {
        let folder = found.folder.display();
        let message = format!("{folder}: {error}: take a model that was trained with `mae`");
        return Err(Usage(message).into());
    }
    let patches = PatchGrid::new(model.encoder(Modality::Image)?.spec())?.num_patches();
    let mask_ratio = mask_ratio(args, &*model)?;
    let config = MaeConfig { mask_ratio, ..MaeConfig::default() };
    let visible = config.visible(patches).map_err(|error| match error {
        ObjectiveError::Config { message, .. } => {
            anyhow::Error::from(Usage(format!("--mask-ratio {message}")))
        }
        other => other.into(),
    })?;
    let images = images(&processor, &found.folder)?;
    let files = PictureFiles::new(&args.data, &args.pictures, args.skip_errors);
    let rows = files.rows(Subset::All, images, None, &ledger)?;
    let examples = chosen(&rows, args.count as usize, args.seed)?;
    let collate = Arc::new(MaeCollate::new(patches as usize, visible));
    let batch = Batch::from_host(&collate.collate(&examples, args.seed)?, device)?;
    let (pixels, visible_bk) = (batch.get("pixel_values")?, batch.get("visible_patches")?);
    let done = reconstruct(&*model, pixels, visible_bk)
        .with_context(|| found.folder.display().to_string())?;
    sheet::write(&args.out, &sheet_of(&done, images)?)?;
    let loss = done.losses.iter().sum::<f64>() / done.losses.len() as f64;
    let masked = patches as usize - visible;
    let of_pictures: Vec<Value> = examples
        .iter()
        .zip(&done.losses)
        .map(|(example, loss)| json!({"key": example.key.to_string(), "loss": loss}))
        .collect();
    if args.json {
        render::json(&json!({
            "version": 1, "out": args.out, "pictures": of_pictures, "loss": loss, "mask_ratio": mask_ratio,
            "masked_patches": masked, "patches": patches, "norm_pix_loss": done.norm_pix, "ledger": ledger.entries(),
        }))?;
        return Ok(Exit::Done);
    }
    for (example, loss) in examples.iter().zip(&done.losses) {
        render::line(&format!("{}: loss {loss:.4}", example.key))?;
    }
    render::line(&format!(
        "{} pictures in {}: {masked} of {patches} patches masked, loss {loss:.4}",
        examples.len(),
        args.out.display()
    ))?;
    if done.norm_pix {
        render::note(
            "the model predicts normalised patches, which have no colours of their own: the reconstructions have the mean \
             and deviation of the original patches",
        );
    }
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}

/// The given fraction, or else that of the model's config.json.
fn mask_ratio(args: &ReconstructArgs, model: &dyn Model) -> Result<f64> {
    let given = args.mask_ratio.or_else(|| model.config().get("mask_ratio")?.as_f64());
    given.ok_or_else(|| {
        Usage(
            "the model does not say which fraction of patches to mask: give --mask-ratio"
                .to_owned(),
        )
        .into()
    })
}

/// `count` of the pictures, drawn with `seed`, in the order of the data; all of them if there are fewer.
fn chosen(rows: &dyn Dataset, count: usize, seed: u64) -> Result<Vec<Example>> {
    let mut places: Vec<u64> = (0..rows.len()).collect();
    SeqRng::new(seed, "reconstruct.pictures", 0, 0).shuffle(&mut places);
    places.truncate(count);
    places.sort_unstable();
    Ok(places.into_iter().map(|place| rows.get(place, 0)).collect::<Result<_, _>>()?)
}

/// Three rows of tiles for each [`COLUMNS`] pictures: original, masked, reconstruction.
fn sheet_of(done: &Reconstructed, images: &ImageProcessor) -> Result<Vec<Vec<Tile>>> {
    let mut rows = Vec::new();
    let places: Vec<i64> = (0..done.original.size()[0]).collect();
    for band in places.chunks(COLUMNS) {
        let mut of_band = [Vec::new(), Vec::new(), Vec::new()];
        for place in band {
            let original = shown(&done.original.f_get(*place)?, &images.normalize)?;
            let mask = done.is_masked.f_get(*place)?.f_flatten(0, -1)?;
            let mut masked = original.clone();
            let is_masked = Vec::<bool>::try_from(&mask)?;
            for (pixel, is_masked) in masked.pixels_mut().chunks_exact_mut(3).zip(is_masked) {
                if is_masked {
                    pixel.fill(GREY);
                }
            }
            let made = shown(&done.reconstruction.f_get(*place)?, &images.normalize)?;
            for (row, picture) in of_band.iter_mut().zip([original, masked, made]) {
                row.push(Tile::plain(picture));
            }
        }
        rows.extend(of_band);
    }
    Ok(rows)
}

/// The picture whose normalised pixels are `pixels` `[3, h, w]`.
fn shown(pixels: &Tensor, normalize: &NormalizeConfig) -> Result<Picture> {
    let NormalizeConfig { rescale_factor, mean, std } = normalize;
    let (_, height, width) = pixels.size3()?;
    let of = |values: &[f64; 3]| Tensor::from_slice(values).reshape([3, 1, 1]);
    let values = pixels.f_to_kind(Kind::Double)?.f_mul(&of(std))?.f_add(&of(mean))?;
    let values = values.f_div_scalar(*rescale_factor)?.f_round()?.f_clamp(0.0, 255.0)?;
    let values = values.f_permute([1, 2, 0])?.f_contiguous()?.f_flatten(0, -1)?;
    let values = Vec::<u8>::try_from(&values.f_to_kind(Kind::Uint8)?)?;
    Picture::new(width as u32, height as u32, values).context("the picture has no pixels")
}
