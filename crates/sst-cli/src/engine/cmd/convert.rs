//! `sst convert`.

use anyhow::{Context, Result, anyhow};
use serde_json::json;
use sst_cli::args::ConvertArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::{files, render};
use sst_data::tokenize::Tokenizer;
use sst_data::{Ledger, atomic};
use sst_models::{ModelCard, gguf, save_folder};

/// Reads a GGUF file and writes a Hugging Face folder.
///
/// # Errors
/// If the file cannot be read, or the folder exists or cannot be written. After an error there is no folder.
pub(crate) fn run(args: &ConvertArgs) -> Result<Exit> {
    if args.out.exists() {
        let message = format!("{} exists: name a folder that does not", args.out.display());
        return Err(Usage(message).into());
    }
    files::must_exist(&args.file)?;
    let converted = gguf::read(&args.file)?;
    let ledger = Ledger::new();
    ledger.add_unused(&converted.unused);
    let name = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let card = ModelCard { body: format!("Converted from `{name}`."), ..ModelCard::default() };
    atomic::folder(&args.out, |folder| -> Result<()> {
        for (name, content) in [
            ("tokenizer.json", &converted.tokenizer),
            ("tokenizer_config.json", &converted.tokenizer_config),
        ] {
            let path = folder.join(name);
            atomic::write(&path, format!("{content:#}\n").as_bytes())
                .with_context(|| format!("cannot write {}", args.out.join(name).display()))?;
        }
        // Load the tokenizer that was just written, to verify that it is valid.
        let tokenizer = Tokenizer::load(folder).map_err(|error| {
            let [made, file] = [folder, &args.file].map(|path| path.display().to_string());
            anyhow!("{}", error.to_string().replace(&made, &file))
        })?;
        Ok(save_folder(folder, &*converted.model, Some(&tokenizer), &card)?)
    })?;
    if args.json {
        render::json(&json!({
            "version": 1, "out": args.out, "ledger": ledger.entries(),
        }))?;
    }
    render::note(&format!("wrote {}", args.out.display()));
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}
