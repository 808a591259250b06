//! `sst embed`.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use serde_json::json;
use sst_cli::args::{EmbedArgs, PoolingArgs};
use sst_cli::exit::{Exit, Usage};
use sst_cli::host::output;
use sst_cli::host::source::{named, source};
use sst_cli::render;
use sst_core::Modality;
use sst_data::read::{Documents, Source};
use sst_data::tokenize::UnknownCount;
use sst_data::vectors::{VectorFormat, VectorWriter};
use sst_data::{Example, Ledger, atomic};
use sst_models::{Embedder, SentenceModel, SentenceOptions};

use super::computing::{Computing, computing};
use super::embed_pictures;
use super::pictures::refuse_for_texts;
use crate::model::{self, ModelLocation};
use crate::settings;

/// The number of texts that are held in memory and sorted by length at a time.
const WINDOW: usize = 16_384;

/// Embeds all texts and writes their vectors.
///
/// # Errors
/// If the model or the data cannot be read, or the file cannot be written.
pub(crate) fn run(args: &EmbedArgs) -> Result<Exit> {
    let Some(format) = VectorFormat::of(&args.out) else {
        let message = format!("--out {}: name a .npy, .safetensors or .jsonl", args.out.display());
        return Err(Usage(message).into());
    };
    let found = model::find(&args.model)?;
    if found.reads(Modality::Image) {
        return embed_pictures::run(args, &found, format);
    }
    let for_pictures = [("--fields", args.fields.is_some()), ("--texts", args.texts)];
    refuse_for_texts(&found, &args.pictures, &for_pictures)?;
    // Blank lines get a vector too, so that row i of the output belongs to line i of the text.
    let source = Source { keep_blank_lines: true, ..source(&args.data, &args.documents)? };
    output::check(&args.out, &source, &[])?;
    // A model folder may hold .safetensors and .jsonl files, which must not be overwritten, but no .npy files.
    if format != VectorFormat::Npy {
        output::check_folder(&args.out, &args.model)?;
        output::check_folder(&args.out, &found.folder)?;
    }
    let device = settings::open_device(&args.device)?;
    let Computing { precision, autocast } = computing(args, device)?;
    let ledger = Ledger::new();
    let options = options(&args.pooling, &found)?;
    let mut model = SentenceModel::load(&found.folder, device, options, &ledger)?;
    if let Some(prompt) = &args.prompt {
        model.set_prompt(prompt.clone())?;
    }
    model.room()?;
    if let Some(kind) = autocast {
        model.model_mut().params_mut().cast(kind)?;
    }
    let documents = source.read(&ledger)?;
    let embedder = Embedder::new(&model, device, autocast, args.batch_tokens as usize);
    let start = Instant::now();
    let mut totals = None;
    let mut failed = None;
    let written = atomic::write_with(&args.out, |file| {
        let mut writer = VectorWriter::new(file, format, model.width() as usize)?;
        match write(documents, &model, &embedder, &mut writer, &ledger, &args.out) {
            Ok(tokens) => {
                totals = Some((writer.finish()?, tokens));
                Ok(())
            }
            Err(error) => {
                failed = Some(error);
                Err(std::io::Error::other("not written"))
            }
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    written.with_context(|| format!("cannot write {}", args.out.display()))?;
    let (texts, tokens) = totals.unwrap_or_default();
    let seconds = start.elapsed().as_secs_f64();
    if args.json {
        render::json(&json!({
            "version": 1, "texts": texts, "width": model.width(), "precision": precision, "tokens": tokens, "seconds": seconds,
            "prompt": model.prompt(), "ledger": ledger.entries(),
        }))?;
    } else {
        if !model.prompt().is_empty() {
            render::note(&format!("prompt before each text: {:?}", model.prompt()));
        }
        render::note(&format!(
            "{} texts in {seconds:.2} s: vectors of {} numbers in {}",
            render::count(texts),
            model.width(),
            args.out.display()
        ));
        render::ledger(&ledger.entries());
    }
    Ok(Exit::Done)
}

/// The options of `SentenceModel`: those of the arguments, or else the pooling of the run that the model belongs to.
/// What neither names is taken from the model folder.
pub(super) fn options(args: &PoolingArgs, found: &ModelLocation) -> Result<SentenceOptions> {
    let trained = match &args.pooling {
        None => found
            .pooling()
            .map_err(|error| anyhow!("{error}; or name the pooling with --pooling"))?,
        Some(_) => None,
    };
    let pooling = args.pooling.as_deref().or(trained.as_deref());
    let pooling = pooling.map(|name| named("--pooling", name)).transpose()?;
    let normalize = match (args.normalize, args.no_normalize) {
        (false, false) => None,
        (normalize, _) => Some(normalize),
    };
    Ok(SentenceOptions { pooling, normalize, max_length: args.max_length })
}

/// Embeds `documents`, [`WINDOW`] texts at a time, and writes the vectors. Returns the number of tokens read.
fn write(
    mut documents: Documents,
    model: &SentenceModel,
    embedder: &Embedder<'_>,
    writer: &mut VectorWriter<'_>,
    ledger: &Ledger,
    out: &Path,
) -> Result<u64> {
    let mut tokens = 0;
    let mut unknown = UnknownCount::new();
    loop {
        let window: Vec<Example> = documents.by_ref().take(WINDOW).collect::<Result<_, _>>()?;
        if window.is_empty() {
            unknown.report(ledger, tokens);
            return Ok(tokens);
        }
        let texts: Vec<&str> =
            window.iter().map(|example| example.text("text").unwrap_or_default()).collect();
        let embedded = embedder.embed(&texts)?;
        tokens += embedded.tokens;
        let vectors = embedded.vectors.chunks_exact(embedded.vectors.len() / texts.len());
        for ((text, vector), at) in texts.iter().zip(vectors).zip(0..) {
            let (key, cut) = (Some(&window[at].key), embedded.cut[at] as u64);
            ledger.add("embed.truncated_texts", u64::from(cut > 0), key);
            ledger.add("embed.truncated_tokens", cut, key);
            ledger.add("embed.empty_texts", u64::from(embedded.empty[at]), key);
            unknown.add(model.tokenizer(), text, embedded.unknown[at] as u64, key, ledger)?;
            writer.push(text, vector).with_context(|| format!("cannot write {}", out.display()))?;
        }
    }
}
