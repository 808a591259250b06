//! `sst export`.

use anyhow::Result;
use serde::Deserialize;
use sst_cli::args::ExportArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::host::source::named;
use sst_cli::render;
use sst_data::atomic;
use sst_models::{ModelCard, SentenceModel, SentenceOptions, save_folder};
use tch::Device;

use super::embed::options;
use crate::model;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Format {
    Huggingface,
    SentenceTransformers,
}

/// Writes the model.
///
/// # Errors
/// If it cannot be read, or the folder exists or cannot be written.
pub(crate) fn run(args: &ExportArgs) -> Result<Exit> {
    if args.out.exists() {
        let message = format!("{} exists: name a folder that does not", args.out.display());
        return Err(Usage(message).into());
    }
    let format: Format = named("--format", &args.format)?;
    let found = model::find(&args.model)?;
    let pooling = options(&args.pooling, &found)?;
    let card = |tag: &str| ModelCard {
        pipeline_tag: Some(tag.to_owned()),
        body: format!("Exported by sst {}.", env!("CARGO_PKG_VERSION")),
        ..ModelCard::default()
    };
    match format {
        Format::Huggingface => {
            let given = SentenceOptions {
                pooling: pooling.pooling.filter(|_| args.pooling.pooling.is_some()),
                ..pooling
            };
            if given != SentenceOptions::default() {
                let message = "--pooling, --normalize, --no-normalize and --max-length are for --format sentence-transformers";
                return Err(Usage(message.to_owned()).into());
            }
            let (model, tokenizer) = found.load(Device::Cpu)?;
            let card = ModelCard { pipeline_tag: None, ..card("") };
            atomic::folder(&args.out, |folder| -> Result<()> {
                Ok(save_folder(folder, &*model, Some(&tokenizer), &card)?)
            })?;
        }
        Format::SentenceTransformers => {
            let model = SentenceModel::load(&found.folder, Device::Cpu, pooling)?;
            let card = ModelCard {
                tags: vec!["sentence-transformers".to_owned(), "feature-extraction".to_owned()],
                ..card("sentence-similarity")
            };
            atomic::folder(&args.out, |folder| -> Result<()> { Ok(model.save(folder, &card)?) })?;
        }
    }
    render::note(&format!("wrote {}", args.out.display()));
    Ok(Exit::Done)
}
