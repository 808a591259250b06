//! `sst tokenizer train` and `sst tokenizer encode`.

use std::io::{self, BufRead};

use anyhow::{Context, Result};
use serde_json::json;
use sst_data::tokenize::{Algorithm, SpecialNames, TokenizeError, Tokenizer, TrainConfig, train};
use sst_data::{Ledger, atomic};

use super::source::{named, source};
use crate::args::{EncodeArgs, TokenizerCommand, TrainTokenizerArgs};
use crate::exit::{Exit, Usage};
use crate::{files, flags, render};

/// Runs `sst tokenizer train` or `sst tokenizer encode`.
///
/// # Errors
/// If the text or the tokenizer cannot be read, or the result cannot be written.
pub fn run(command: &TokenizerCommand) -> Result<Exit> {
    match command {
        TokenizerCommand::Train(args) => train_one(args),
        TokenizerCommand::Encode(args) => encode(args),
    }
}

fn train_one(args: &TrainTokenizerArgs) -> Result<Exit> {
    if args.out.exists() && !args.out.is_dir() {
        let message = format!("--out {} is a file: name a folder", args.out.display());
        return Err(Usage(message).into());
    }
    let config = TrainConfig {
        algorithm: named::<Algorithm>("--algorithm", &args.algorithm)?,
        vocab_size: args.vocab_size,
        min_frequency: args.min_frequency,
        lowercase: !args.cased,
        limit_alphabet: None,
        special: match &args.end_of_text {
            None => SpecialNames::bert(),
            end => SpecialNames { eos: end.clone(), ..SpecialNames::default() },
        },
        extra_tokens: Vec::new(),
    };
    config.check().map_err(|error| match &error {
        TokenizeError::Config { key: "vocab_size", .. } => {
            Usage(format!("{error}{}", flags::of_keys(&["vocab_size"])))
        }
        other => Usage(other.to_string()),
    })?;
    let (ledger, mut failed) = (Ledger::new(), None);
    let source = source(&args.paths, &args.documents)?;
    let trained = train(&config, source.texts(&ledger, &mut failed)?);
    if let Some(error) = failed {
        return Err(error.into());
    }
    let tokenizer = trained?;
    match args.out.exists() {
        // The files are written one by one into a folder that exists; a new folder appears only once it is complete.
        true => tokenizer.save(&args.out, args.model_max_length)?,
        false => atomic::folder(&args.out, |folder| -> Result<()> {
            Ok(tokenizer.save(folder, args.model_max_length)?)
        })?,
    }
    render::ledger(&ledger.entries());
    render::note(&format!(
        "trained a vocabulary of {} tokens; use it with tokenizer.path in a recipe or with --tokenizer",
        render::count(tokenizer.vocab_size() as u64)
    ));
    render::line(&args.out.join("tokenizer.json").display().to_string())?;
    Ok(Exit::Done)
}

fn encode(args: &EncodeArgs) -> Result<Exit> {
    files::must_exist(&args.tokenizer)?;
    let tokenizer = Tokenizer::load(&args.tokenizer)?;
    if args.text.is_empty() {
        for line in io::stdin().lock().lines() {
            encode_one(args, &tokenizer, &line.context("cannot read stdin as UTF-8")?)?;
        }
    }
    for text in &args.text {
        encode_one(args, &tokenizer, text)?;
    }
    let ledger = Ledger::new();
    ledger.add_unused(tokenizer.unused());
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}

fn encode_one(args: &EncodeArgs, tokenizer: &Tokenizer, text: &str) -> Result<()> {
    let encoding = tokenizer.encoding(text)?;
    let template = tokenizer.special_token_template();
    let if_special = |ids: &[u32]| if args.special { ids.to_vec() } else { Vec::new() };
    let (before, after) = (if_special(&template.prefix), if_special(&template.suffix));
    // A special token has no offsets, because it corresponds to no byte of the text.
    let offsets: Vec<Option<(usize, usize)>> = std::iter::repeat_n(None, before.len())
        .chain(encoding.offsets.iter().copied().map(Some))
        .chain(std::iter::repeat_n(None, after.len()))
        .collect();
    let ids = [before, encoding.ids, after].concat();
    let tokens: Vec<String> =
        ids.iter().map(|id| tokenizer.token(*id).unwrap_or_default()).collect();
    if args.json {
        let value = json!({
            "version": 1, "text": text, "ids": ids, "tokens": tokens, "offsets": offsets,
        });
        render::json(&value)?;
    } else {
        let pairs: Vec<String> =
            ids.iter().zip(&tokens).map(|(id, token)| format!("{token}/{id}")).collect();
        render::line(&pairs.join(" "))?;
    }
    Ok(())
}
