//! `sst convert`.

use anyhow::{Context, Result};
use sst_cli::args::ConvertArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::{files, render};
use sst_data::atomic;
use sst_data::tokenize::Tokenizer;
use sst_models::{ModelCard, gguf, save_folder};

/// Reads a GGUF file and writes a Hugging Face folder.
///
/// # Errors
/// If the file cannot be read, or the folder exists or cannot be written.
pub(crate) fn run(args: &ConvertArgs) -> Result<Exit> {
    if args.out.exists() {
        let message = format!("{} exists: name a folder that does not", args.out.display());
        return Err(Usage(message).into());
    }
    files::must_exist(&args.file)?;
    let converted = gguf::read(&args.file)?;
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot create {}", args.out.display()))?;
    for (name, content) in [
        ("tokenizer.json", &converted.tokenizer),
        ("tokenizer_config.json", &converted.tokenizer_config),
    ] {
        let path = args.out.join(name);
        atomic::write(&path, format!("{content:#}\n").as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    // Loaded as a user's would be, so that what is written is known to be one.
    let tokenizer = Tokenizer::load(&args.out)?;
    let name = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let card = ModelCard { body: format!("Converted from `{name}`."), ..ModelCard::default() };
    save_folder(&args.out, &*converted.model, Some(&tokenizer), &card)?;
    render::note(&format!("wrote {}", args.out.display()));
    Ok(Exit::Done)
}
