//! `sst export`.

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;
use sst_cli::args::ExportArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::host::source::named;
use sst_cli::render;
use sst_core::{Modality, Model};
use sst_data::{Ledger, Processor, atomic};
use sst_models::{
    HeadConfig, HostModel, LoadOptions, ModelCard, ModelError, Role, SentenceModel, SentenceOptions,
};
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
    let ledger = Ledger::new();
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
            let folder = found.encoder()?;
            let processor = Processor::load(&sst_models::tokenizer_folder(&folder)?)?;
            let options = LoadOptions { role: Role::Write, ..LoadOptions::new(Device::Cpu) };
            let loaded = sst_models::open(&folder, &options)?;
            loaded.add_to(&ledger);
            let tokenizer = match loaded.model.encoder(Modality::Text) {
                Ok(_) => Some(processor.tokenizer()?),
                Err(_) => None,
            };
            if let Some(tokenizer) = tokenizer {
                ledger.add_unused(&tokenizer.unused_beside_truncation());
            }
            warn_of_head(&*loaded.model)?;
            let card = ModelCard { pipeline_tag: None, ..card("") };
            let model = HostModel::copy(&*loaded.model)?.carry(loaded.carried);
            atomic::folder(&args.out, |folder| -> Result<()> {
                Ok(model.save(folder, tokenizer, &card)?)
            })?;
        }
        Format::SentenceTransformers => {
            if sst_models::is_adapter(&found.encoder()?) {
                return Err(ModelError::IsAdapter { path: found.folder }.into());
            }
            let model = SentenceModel::load(&found.folder, Device::Cpu, pooling, &ledger)?;
            // A length without room for a text would be refused by every command that reads the folder.
            model.room()?;
            let card = ModelCard {
                tags: vec!["sentence-transformers".to_owned(), "feature-extraction".to_owned()],
                ..card("sentence-similarity")
            };
            atomic::folder(&args.out, |folder| -> Result<()> { Ok(model.save(folder, &card)?) })?;
        }
    }
    if args.json {
        render::json(&json!({ "version": 1, "out": args.out, "ledger": ledger.entries() }))?;
    } else {
        render::note(&format!("wrote {}", args.out.display()));
    }
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}

/// Warns if the model has a classification head that transformers does not have.
///
/// # Errors
/// If its config names no such head.
pub(super) fn warn_of_head(model: &dyn Model) -> Result<()> {
    if HeadConfig::of(&model.config())? != HeadConfig::Linear {
        tracing::warn!(
            "the classification head is an MLP, which transformers does not have: it would load the encoder and start \
             a head of its own; sst reads the folder as it is"
        );
    }
    Ok(())
}
