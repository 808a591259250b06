//! `sst generate`.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sst_cli::args::GenerateArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::render;
use sst_core::{HeadKind, Model};
use sst_data::Ledger;
use sst_data::read::require_readable;
use sst_data::tokenize::{Tokenizer, UnknownCount};
use sst_eval::EvalError;
use sst_eval::generate::{
    Beams, Completion, Finish, Generator, Limits, Sampling, TextStream, beam_search,
};
use sst_models::{GenerationConfig, LoadHead, token_ids};
use tch::Device;

use crate::{model, settings};

/// Continues each prompt and prints the result.
///
/// # Errors
/// If the model cannot be loaded or is not causal, or a prompt cannot be continued.
pub(crate) fn run(args: &GenerateArgs) -> Result<Exit> {
    let sampling = sampling(args)?;
    if args.stop.iter().any(String::is_empty) {
        return Err(Usage(
            "--stop is empty: write the string before which a text should end".to_owned(),
        )
        .into());
    }
    if let Some(count) = args.beams.filter(|count| args.num_samples > *count) {
        let message =
            format!("--num-samples is {}, but there are only {count} --beams", args.num_samples);
        return Err(Usage(message).into());
    }
    let prompts = prompts(args)?;
    let found = model::find(&args.model)?;
    found.type_must_be_causal("sst fill-mask")?;
    let device = settings::open_device(&args.device)?;
    let ledger = Ledger::new();
    let (model, processor) =
        found.load(device, LoadHead::Needed(HeadKind::LanguageModel), &ledger)?;
    let tokenizer = processor.tokenizer()?;
    found.must_be_causal(&*model, "sst fill-mask")?;
    let ids = prompts.iter().map(|prompt| encode(prompt, tokenizer)).collect::<Result<Vec<_>>>()?;
    UnknownCount::report_texts(tokenizer, &prompts, &ledger)?;
    let (generation, unused) = GenerationConfig::read(&found.encoder()?)?;
    ledger.add_unused(&unused);
    let eos_token_ids = eos_token_ids(generation, &*model, tokenizer)?;
    let limits = Limits { max_new_tokens: args.max_new_tokens as usize, eos_token_ids };
    let printer = Printer {
        args,
        tokenizer,
        prompts: &prompts,
        ids: &ids,
        limit: model.max_length()?,
        ledger: &ledger,
    };
    let done = continue_prompts(&printer, &*model, device, &sampling, &limits);
    // If the logits are NaN or infinite, the error names the folder of the model.
    done.map_err(|error| match error.downcast_ref() {
        Some(EvalError::NotFinite(_)) => error.context(found.folder.display().to_string()),
        _ => error,
    })?;
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}

/// Continues the prompts by beam search or by sampling, as the arguments say.
fn continue_prompts(
    printer: &Printer<'_>,
    model: &dyn Model,
    device: Device,
    sampling: &Sampling,
    limits: &Limits,
) -> Result<()> {
    let args = printer.args;
    let Some(count) = args.beams else { return sample(printer, model, device, sampling, limits) };
    let beams = Beams { count: count as usize, length_penalty: args.length_penalty };
    for (place, prompt) in printer.ids.iter().enumerate() {
        let found = beam_search(model, device, prompt, beams, limits)?;
        for (sample, completion) in found.iter().take(args.num_samples as usize).enumerate() {
            printer.print(place, sample, completion)?;
        }
    }
    Ok(())
}

fn sample(
    printer: &Printer<'_>,
    model: &dyn Model,
    device: Device,
    sampling: &Sampling,
    limits: &Limits,
) -> Result<()> {
    let args = printer.args;
    let count = args.num_samples as usize;
    let rows: Vec<Vec<u32>> =
        printer.ids.iter().flat_map(|prompt| std::iter::repeat_n(prompt.clone(), count)).collect();
    let streams = rows.iter().map(|prompt| TextStream::new(printer.tokenizer, &args.stop, prompt));
    let mut streams: Vec<TextStream<'_>> = streams.collect::<Result<_, _>>()?;
    // A single text is printed while it is generated. The prompt is printed with the first token, so that an error
    // before it leaves stdout empty.
    let is_live = rows.len() == 1 && !args.json;
    let mut prompt = is_live.then_some(printer.prompts[0].as_str());
    let mut generator = Generator::new(model, device);
    generator.use_cache = !args.no_cache;
    let mut broken = None;
    let mut timing = Timing::start(rows.len());
    let found = generator.generate(&rows, sampling, limits, &mut |place, id| {
        timing.token(place);
        let text = streams[place].push(id)?;
        let begun = prompt.take().map_or(Ok(()), write);
        if is_live && let Err(error) = begun.and_then(|()| write(text)) {
            broken = Some(error);
            return Ok(false);
        }
        Ok(!streams[place].stopped())
    })?;
    let timing = args.timing.then(|| timing.stop());
    if let Some(error) = broken {
        return Err(error);
    }
    if is_live {
        prompt.take().map_or(Ok(()), write)?;
        write(streams[0].finish().map_err(EvalError::from)?)?;
        render::line("")?;
        if found[0].finish == Finish::Length && !streams[0].stopped() {
            printer.length_limit(&found[0]);
        }
    } else {
        for (row, completion) in found.iter().enumerate() {
            printer.print(row / count, row % count, completion)?;
        }
    }
    match timing {
        Some(spent) if args.json => Ok(render::json(&spent.json())?),
        Some(spent) => {
            render::note(&spent.text());
            Ok(())
        }
        None => Ok(()),
    }
}

/// Measures when tokens are generated.
struct Timing {
    start: Instant,
    has_begun: Vec<bool>,
    /// The time at which the last of the samples got its first token.
    begun: Duration,
    tokens: usize,
}

/// The measured speed of a generation.
struct Spent {
    tokens: usize,
    first_token: f64,
    seconds: f64,
    tokens_per_second: Option<f64>,
}

impl Timing {
    fn start(samples: usize) -> Self {
        let (start, begun) = (Instant::now(), Duration::ZERO);
        Self { start, has_begun: vec![false; samples], begun, tokens: 0 }
    }

    fn token(&mut self, sample: usize) {
        self.tokens += 1;
        if !std::mem::replace(&mut self.has_begun[sample], true) {
            self.begun = self.start.elapsed();
        }
    }

    fn stop(self) -> Spent {
        let seconds = self.start.elapsed().as_secs_f64();
        let first_token = self.begun.as_secs_f64();
        let later = self.tokens - self.has_begun.iter().filter(|has| **has).count();
        let tokens_per_second = (later > 0).then(|| later as f64 / (seconds - first_token));
        Spent { tokens: self.tokens, first_token, seconds, tokens_per_second }
    }
}

impl Spent {
    fn json(&self) -> Value {
        json!({"version": 1, "timing": {
            "tokens": self.tokens, "first_token_s": self.first_token, "seconds": self.seconds,
            "tokens_per_second": self.tokens_per_second,
        }})
    }

    fn text(&self) -> String {
        let speed = self.tokens_per_second;
        let speed = speed.map_or(String::new(), |speed| format!(", then {speed:.1} tokens/s"));
        format!(
            "{} tokens in {:.2} s: the first after {:.3} s{speed}",
            self.tokens, self.seconds, self.first_token
        )
    }
}

/// What is needed to print completions.
struct Printer<'a> {
    args: &'a GenerateArgs,
    tokenizer: &'a Tokenizer,
    prompts: &'a [String],
    /// The token ids of each prompt.
    ids: &'a [Vec<u32>],
    /// The context length of the model: the largest number of tokens, prompt included.
    limit: usize,
    ledger: &'a Ledger,
}

impl Printer<'_> {
    /// Which limit ended a text that stopped because of its length: `max_new_tokens`, or `model` for the context
    /// length of the model. The user is warned of the latter.
    fn length_limit(&self, completion: &Completion) -> &'static str {
        if completion.ids.len() >= self.args.max_new_tokens as usize {
            return "max_new_tokens";
        }
        tracing::warn!(
            "a text ends after {} new tokens, because the model reads at most {} tokens, prompt included",
            completion.ids.len(),
            self.limit
        );
        "model"
    }

    fn print(&self, place: usize, sample: usize, completion: &Completion) -> Result<()> {
        let mut stream = TextStream::new(self.tokenizer, &self.args.stop, &self.ids[place])?;
        for id in &completion.ids {
            stream.push(*id)?;
        }
        stream.finish()?;
        let finish = match completion.finish {
            _ if stream.stopped() => "stop",
            Finish::Length => "length",
            Finish::End => "end",
            Finish::Stop => "stop",
        };
        let length_limit = (finish == "length").then(|| self.length_limit(completion));
        let (prompt, text) = (&self.prompts[place], stream.text());
        if self.args.json {
            let mut line = json!({
                "version": 1, "prompt": prompt, "sample": sample, "text": text,
                "ids": completion.ids, "finish": finish, "length_limit": length_limit,
                "log_probability": completion.log_probability,
            });
            let entries = self.ledger.entries();
            if !entries.is_empty() {
                line["ledger"] = json!(entries);
            }
            render::json(&line)?;
        } else {
            render::line(&format!("{prompt}{text}"))?;
        }
        Ok(())
    }
}

fn write(text: &str) -> Result<()> {
    let text = render::shown(text);
    let mut stdout = std::io::stdout().lock();
    write!(stdout, "{text}").and_then(|()| stdout.flush()).context("cannot write to stdout")
}

fn sampling(args: &GenerateArgs) -> Result<Sampling> {
    let refuse = |message: &str| Err(Usage(message.to_owned()).into());
    let draws = args.top_k.is_some() || args.top_p.is_some() || args.min_p.is_some();
    let temperature = args.temperature.or(draws.then_some(1.0));
    if temperature.is_some_and(|t| !(t > 0.0 && t.is_finite())) {
        return refuse(
            "--temperature must be above 0; to always take the most likely token, use --greedy",
        );
    }
    if !(args.repetition_penalty > 0.0 && args.repetition_penalty.is_finite()) {
        return refuse("--repetition-penalty must be above 0");
    }
    let is_share = |x: f64| (0.0..=1.0).contains(&x);
    for (flag, share) in [("--top-p", args.top_p), ("--min-p", args.min_p)] {
        if let Some(share) = share.filter(|share| !is_share(*share)) {
            return refuse(&format!("{flag} is {share} and must be from 0 to 1"));
        }
    }
    if args.num_samples > 1 && temperature.is_none() && args.beams.is_none() {
        return refuse("all --num-samples would be equal without sampling: add --temperature");
    }
    Ok(Sampling {
        repetition_penalty: args.repetition_penalty,
        temperature,
        top_k: args.top_k.unwrap_or(0),
        top_p: args.top_p.unwrap_or(1.0),
        min_p: args.min_p.unwrap_or(0.0),
        seed: args.seed,
    })
}

fn prompts(args: &GenerateArgs) -> Result<Vec<String>> {
    let mut prompts = args.prompt.clone();
    if let Some(path) = &args.prompts_file {
        let text = require_readable(path).and_then(|()| std::fs::read_to_string(path));
        let text = text.map_err(|error| {
            Usage(format!("cannot read --prompts-file {}: {error}", path.display()))
        })?;
        prompts.extend(text.lines().map(str::to_owned));
    }
    if prompts.is_empty() {
        return Err(Usage("--prompts-file holds no line".to_owned()).into());
    }
    Ok(prompts)
}

/// Encodes a prompt, with the special tokens that the tokenizer puts before a text.
fn encode(prompt: &str, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let special = tokenizer.special();
    let mut ids = tokenizer.special_token_template().prefix.clone();
    // A causal model is not trained with BERT's [CLS].
    ids.retain(|id| Some(*id) != special.cls);
    ids.extend(tokenizer.encode(prompt)?);
    if ids.is_empty() {
        ids.extend(special.bos.or(special.eos).or(special.sep));
    }
    Ok(ids)
}

/// The token ids that end a text: those of generation_config.json if that file exists, else those of config.json, as
/// in transformers. If neither names one, transformers generates up to the length limit; here the end-of-text token
/// of the tokenizer ends a text, because configurations of models trained from scratch often lack the key.
fn eos_token_ids(
    generation: GenerationConfig,
    model: &dyn Model,
    tokenizer: &Tokenizer,
) -> Result<Vec<u32>> {
    if let Some(ids) = generation.eos_token_ids {
        if ids.is_empty() {
            render::note(
                "generation_config.json names no eos_token_id, so only --max-new-tokens ends a text, as in \
                 transformers",
            );
        }
        return Ok(ids);
    }
    let value = model.config().get("eos_token_id").cloned().unwrap_or(Value::Null);
    let Some(ids) = token_ids(&value) else {
        bail!("eos_token_id of config.json is {value}: a token id or a list of them is needed");
    };
    let special = tokenizer.special();
    Ok(ids.unwrap_or_else(|| special.eos.or(special.sep).into_iter().collect()))
}
