//! `sst combine`.

use anyhow::Result;
use serde_json::{Map, json};
use sst_cli::args::CombineArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::render;
use sst_core::{InputSpec, Modality};
use sst_data::pictures::ImageProcessor;
use sst_data::pictures::processor::ProcessorError;
use sst_data::tokenize::Tokenizer;
use sst_data::{Ledger, atomic};
use sst_models::{DualOptions, HostModel, ModelCard, TowerSource, dual_encoder};
use tch::Device;

use super::pictures::must_read;
use crate::model::{self, ModelLocation};

/// The initial logarithm of the scale of the logits, as in CLIP: ln(1 / 0.07).
const LOGIT_SCALE: f64 = 2.6592;

/// Makes a dual encoder of an image model and a text model, and writes it with the tokenizer of the one and the image
/// processor of the other.
///
/// # Errors
/// If a model cannot be read, reads no images or no text, or the folder to write exists or cannot be written.
pub(crate) fn run(args: &CombineArgs) -> Result<Exit> {
    if args.out.exists() {
        let message = format!("{} exists: name a folder that does not", args.out.display());
        return Err(Usage(message).into());
    }
    let (image, text) = (model::find(&args.image)?, model::find(&args.text)?);
    must_read(&image, Modality::Image)?;
    must_read(&text, Modality::Text)?;
    let tower = |found: &ModelLocation| -> Result<TowerSource> {
        Ok(TowerSource::Folder { path: found.encoder()?, config: Map::new() })
    };
    let options = DualOptions {
        projection_dim: args.projection_dim,
        logit_scale_init_value: LOGIT_SCALE,
        device: Device::Cpu,
        seed: args.seed,
    };
    let ledger = Ledger::new();
    let loaded = dual_encoder(&tower(&image)?, &tower(&text)?, &options)?;
    loaded.add_to(&ledger);
    let tokenizer = Tokenizer::load(&sst_models::tokenizer_folder(&text.encoder()?)?)?;
    ledger.add_unused(&tokenizer.unused_beside_truncation());
    let images = match ImageProcessor::load(&image.encoder()?) {
        Ok((images, unused)) => {
            ledger.add_unused(&unused);
            images
        }
        Err(ProcessorError::NotFound(folder)) => {
            let InputSpec::Image { size: [height, width], .. } =
                loaded.model.encoder(Modality::Image)?.spec()
            else {
                return Err(Usage("the image model reads no images".to_owned()).into());
            };
            let kind = sst_models::image_processor_kind(loaded.model.model_type());
            tracing::warn!(
                "{} has no preprocessor_config.json: pictures are prepared as by transformers' {}",
                folder.display(),
                kind.class()
            );
            ImageProcessor::new(kind, u32::try_from(height.min(width))?)
        }
        Err(error) => return Err(error.into()),
    };
    let body = format!(
        "A dual encoder of the image model `{}` and the text model `{}`, whose projections are new, by sst {}.",
        image.folder.display(),
        text.folder.display(),
        env!("CARGO_PKG_VERSION")
    );
    let card = ModelCard { body, ..ModelCard::default() };
    let model = HostModel::copy(&*loaded.model)?;
    atomic::folder(&args.out, |folder| -> Result<()> {
        model.save(folder, Some(&tokenizer), &card)?;
        Ok(images.save(folder)?)
    })?;
    if args.json {
        render::json(&json!({ "version": 1, "out": args.out, "ledger": ledger.entries() }))?;
    } else {
        render::note(&format!("wrote {}", args.out.display()));
    }
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}
