//! `sst eval` with evaluators of whole texts, such as perplexity.

use anyhow::Result;
use sst_cli::args::TextArgs;
use sst_cli::exit::Usage;
use sst_cli::host::source::source;
use sst_core::HeadKind;
use sst_data::Ledger;
use sst_data::read::Source;
use sst_data::tokenize::{Tokenizer, UnknownCount};
use sst_data::words::count_length;
use sst_eval::{Entry, EvalError, Input, Text, TextSource};
use sst_models::LoadHead;

use super::measure::{Measured, Setting, evaluate};
use crate::{model, settings};

/// Measures the perplexity of a causal model.
///
/// # Errors
/// If model or data cannot be read, the model is not causal, or no token can be scored.
pub(super) fn run(entry: &Entry, args: &TextArgs, settings: Vec<Setting<'_>>) -> Result<Measured> {
    let windows = settings.iter().find(|(key, _)| *key == "windows");
    if let Some(other) = windows.and_then(|(_, value)| value.as_str())
        && other != "strided"
        && other != "full"
    {
        let message = format!("--windows is \"{other}\"; it is strided or full");
        return Err(Usage(message).into());
    }
    let found = model::find(&args.model)?;
    found.type_must_be_causal("sst eval pseudo-perplexity")?;
    let device = settings::open_device(&args.device)?;
    let ledger = Ledger::new();
    let (model, processor) =
        found.load(device, LoadHead::Needed(HeadKind::LanguageModel), &ledger)?;
    let tokenizer = processor.tokenizer()?;
    found.must_be_causal(&*model, "sst eval pseudo-perplexity")?;
    let source = source(&args.data, &args.documents)?;
    let mut failed = None;
    let texts = Texts { args, source, tokenizer, ledger: &ledger, failed: &mut failed };
    let input = Input::Texts(Box::new(texts));
    let measured = evaluate(entry, settings, input, &*model, None, &found.folder);
    if let Some(error) = failed {
        return Err(error);
    }
    let report = measured?;
    Ok(Measured::new(report, ledger, args.json))
}

/// The texts of the files of a command.
struct Texts<'a> {
    args: &'a TextArgs,
    source: Source,
    tokenizer: &'a Tokenizer,
    ledger: &'a Ledger,
    /// Why texts could not be read. The error keeps its type here, on which the exit code depends.
    failed: &'a mut Option<anyhow::Error>,
}

/// What ended the reading of texts.
enum Ended {
    /// They could not be read.
    Reading(anyhow::Error),
    /// The evaluator failed.
    Visiting(EvalError),
}

impl<E: Into<anyhow::Error>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Reading(error.into())
    }
}

impl TextSource for Texts<'_> {
    fn for_each(
        &mut self,
        visit: &mut dyn FnMut(&Text) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        self.read(visit).map_err(|ended| match ended {
            Ended::Visiting(error) => error,
            Ended::Reading(error) => {
                let message = error.to_string();
                *self.failed = Some(error);
                EvalError::Source(message)
            }
        })
    }
}

impl Texts<'_> {
    fn read(&self, visit: &mut dyn FnMut(&Text) -> Result<(), EvalError>) -> Result<(), Ended> {
        let Self { args, source, tokenizer, ledger, .. } = self;
        let mut joined = Text::default();
        let (mut unknown, mut tokens) = (UnknownCount::new(), 0);
        for example in source.read(ledger)? {
            let example = example?;
            let raw = example.text("text").unwrap_or_default();
            let mut text = document(raw, tokenizer)?;
            tokens += text.ids.len() as u64;
            let count = tokenizer.count_unknown(&text.ids);
            unknown.add(tokenizer, raw, count, Some(&example.key), ledger)?;
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
            frame(&mut text, args.start, tokenizer)?;
            visit(&text).map_err(Ended::Visiting)?;
        }
        unknown.report(ledger, tokens);
        if args.stream {
            frame(&mut joined, false, tokenizer)?;
            visit(&joined).map_err(Ended::Visiting)?;
        }
        Ok(())
    }
}

fn document(text: &str, tokenizer: &Tokenizer) -> Result<Text> {
    Ok(Text {
        ids: tokenizer.encode(text)?,
        has_start: false,
        words: count_length(text).count() as u64,
        bytes: text.len() as u64,
    })
}

/// Adds the special tokens that the tokenizer puts around a text, such as Llama's `<s>`, as transformers does. If
/// `start` is set and the tokenizer puts none before a text, adds the begin-of-text or else the end-of-text token
/// there.
fn frame(text: &mut Text, start: bool, tokenizer: &Tokenizer) -> Result<()> {
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
    let message = "the tokenizer has no end-of-text token: omit --stream and --start";
    special.eos.or(special.sep).ok_or_else(|| Usage(message.to_owned()).into())
}
