//! `sst eval perplexity`.

use anyhow::Result;
use sst_cli::args::PerplexityArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::host::source::source;
use sst_core::HeadKind;
use sst_data::Ledger;
use sst_data::tokenize::{Tokenizer, UnknownCount};
use sst_data::words::count_length;
use sst_eval::{EvalError, Perplexity, Text, Window, Windows};
use sst_models::LoadHead;
use sst_run::device;

use super::show::show;
use crate::model;

/// Measures a causal model and prints the report.
///
/// # Errors
/// If model or data cannot be read, the model is not causal, or no token can be scored.
pub(crate) fn run(args: &PerplexityArgs) -> Result<Exit> {
    let windows = match args.windows.as_str() {
        "strided" => Windows::Strided,
        "full" => Windows::Full,
        other => {
            let message = format!("--windows is \"{other}\"; it is strided or full");
            return Err(Usage(message).into());
        }
    };
    let found = model::find(&args.model)?;
    let device = device::open(&args.device.device, args.device.threads)?;
    let ledger = Ledger::new();
    let (model, processor) =
        found.load(device, LoadHead::Needed(HeadKind::LanguageModel), &ledger)?;
    let tokenizer = processor.tokenizer()?;
    found.must_be_causal(&*model, "sst eval pseudo-perplexity")?;
    let length = args.max_length.unwrap_or(model.max_length()?);
    let stride = args.stride.unwrap_or((length / 2).max(1));
    let window = Window { length, stride, windows };
    let mut scorer = Perplexity::new(&*model, device, window, args.batch_tokens).map_err(
        |error| match error {
            EvalError::Window(message) => Usage(message).into(),
            other => anyhow::Error::from(other),
        },
    )?;
    let of_model = |error: EvalError| match error {
        error @ EvalError::NotFinite(_) => {
            anyhow::Error::from(error).context(found.folder.display().to_string())
        }
        other => other.into(),
    };
    let source = source(&args.data, &args.documents)?;
    let mut joined = Text::default();
    let (mut unknown, mut tokens) = (UnknownCount::new(), 0);
    for example in source.read(&ledger)? {
        let example = example?;
        let mut text = document(example.text("text").unwrap_or_default(), tokenizer)?;
        tokens += text.ids.len() as u64;
        let (raw, count) =
            (example.text("text").unwrap_or_default(), tokenizer.count_unknown(&text.ids));
        unknown.add(tokenizer, raw, count, Some(&example.key), &ledger)?;
        if text.ids.is_empty() {
            ledger.add("perplexity.empty_documents", 1, Some(&example.key));
        }
        if args.stream {
            joined.words += text.words;
            joined.bytes += text.bytes;
            if !text.ids.is_empty() {
                joined.ids.append(&mut text.ids);
                joined.ids.push(end(tokenizer)?);
            }
            continue;
        }
        add_special_tokens(&mut text, args.start, tokenizer)?;
        scorer.add(&text).map_err(of_model)?;
    }
    unknown.report(&ledger, tokens);
    if args.stream {
        add_special_tokens(&mut joined, false, tokenizer)?;
        scorer.add(&joined).map_err(of_model)?;
    }
    show(&scorer.finish().map_err(of_model)?, &ledger, args.json)
}

fn document(text: &str, tokenizer: &Tokenizer) -> Result<Text> {
    Ok(Text {
        ids: tokenizer.encode(text)?,
        has_start: false,
        words: count_length(text).count() as u64,
        bytes: text.len() as u64,
    })
}

/// Puts the tokens around a text that the tokenizer puts there, such as Llama's `<s>`, as transformers does; or one at
/// its start, where `start` asks for it and the tokenizer puts none there.
fn add_special_tokens(text: &mut Text, start: bool, tokenizer: &Tokenizer) -> Result<()> {
    if text.ids.is_empty() && !start {
        return Ok(());
    }
    let template = tokenizer.special_token_template();
    let mut prefix = template.prefix.clone();
    if prefix.is_empty() && start {
        prefix.push(tokenizer.special().bos.map_or_else(|| end(tokenizer), Ok)?);
    }
    text.has_start = !prefix.is_empty();
    text.ids.splice(0..0, prefix);
    text.ids.extend(&template.suffix);
    Ok(())
}

fn end(tokenizer: &Tokenizer) -> Result<u32> {
    let special = tokenizer.special();
    let message = "the tokenizer has no end-of-text token: leave --stream and --start out";
    special.eos.or(special.sep).ok_or_else(|| Usage(message.to_owned()).into())
}
