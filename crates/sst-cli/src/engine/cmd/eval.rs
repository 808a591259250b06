//! `sst eval`.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sst_cli::args::{EvalArgs, EvalCommand, MaskAccuracyArgs};
use sst_cli::exit::{Exit, Usage};
use sst_cli::files;
use sst_cli::host::source::{named, source};
use sst_core::{HeadKind, Modality, Model};
use sst_data::Ledger;
use sst_data::clean::CleanConfig;
use sst_data::rows::{Dataset, RowMode, Subset, TokenRows};
use sst_data::store::Preparation;
use sst_data::tokenize::Tokenizer;
use sst_eval::{MaskAccuracy, PseudoPerplexity, Report};
use sst_models::LoadHead;
use sst_objectives::{Entry, HeldOut};
use sst_run::recipe::Task;
use sst_run::{CheckedRecipe, check_held_out, device};
use tch::Device;

use super::show::show;
use super::{pairs, perplexity};
use crate::{model, recipe};

/// What every evaluator works on.
struct Bench {
    model: Box<dyn Model>,
    tokenizer: Tokenizer,
    rows: Arc<dyn Dataset>,
    device: Device,
    /// The recipe of the run, or the one asked for.
    recipe: Option<CheckedRecipe>,
    ledger: Ledger,
}

/// Measures a model and prints the report.
///
/// # Errors
/// If model or data cannot be read, or there is nothing to measure.
pub(crate) fn run(command: &EvalCommand) -> Result<Exit> {
    let (args, report, ledger) = match command {
        EvalCommand::MaskAccuracy(args) => {
            let bench = Bench::open(&args.eval)?;
            (&args.eval, mask_accuracy(args, &bench)?, bench.ledger)
        }
        EvalCommand::Perplexity(args) => return perplexity::run(args),
        EvalCommand::Retrieval(args) => return pairs::retrieval(args),
        EvalCommand::Sts(args) => return pairs::sts(args),
        EvalCommand::PseudoPerplexity(args) => {
            let bench = Bench::open(args)?;
            let (rows, tokenizer) = (Arc::clone(&bench.rows), bench.tokenizer.clone());
            let batch_size = args.batch_size as usize;
            let scorer = PseudoPerplexity::new(rows, tokenizer, batch_size, bench.device);
            (args, scorer.measure(&*bench.model)?, bench.ledger)
        }
    };
    show(&report, &ledger, args.json)
}

fn mask_accuracy(args: &MaskAccuracyArgs, bench: &Bench) -> Result<Report> {
    let config = bench.recipe.as_ref().map(|recipe| &recipe.config);
    let task = bench.recipe.as_ref().map(|recipe| task(recipe, &args.eval)).transpose()?;
    let hides_tokens = |entry: &&Entry| entry.held_out == HeldOut::MaskAccuracy;
    let of_task = task.and_then(|task| sst_objectives::entry(task.objective_name()).ok());
    // A model without a run, or with one that hides no tokens, is measured with the masks of the list's first objective.
    let of_task = of_task.filter(hides_tokens);
    let masked = task.filter(|_| of_task.is_some());
    let entry = of_task.or_else(|| sst_objectives::list().iter().find(hides_tokens));
    let name = entry.context("no objective hides tokens")?.name;
    let mut objective = masked.map_or_else(|| json!({}), |task| task.objective_config());
    if let (Some(rate), Value::Object(objective)) = (args.mask_rate, &mut objective) {
        objective.insert("mask_rate".to_owned(), json!(rate));
    }
    let seed = args.seed.or(config.map(|config| config.run.seed)).unwrap_or(0);
    let context = sst_objectives::Context {
        tokenizer: Some(&bench.tokenizer),
        padding_free: true,
        hidden_size: bench.model.hidden_size(Modality::Text)?,
        device: bench.device,
        seed,
    };
    let objective = sst_objectives::build(name, &objective, &context)
        .map_err(|error| Usage(error.to_string()))?;
    let rows = Arc::clone(&bench.rows);
    let batch_size = args.eval.batch_size as usize;
    let evaluator = MaskAccuracy::new(objective, rows, batch_size, bench.device, seed);
    Ok(evaluator.measure(&*bench.model)?)
}

impl Bench {
    fn open(args: &EvalArgs) -> Result<Self> {
        let found = model::find(&args.model)?;
        let of_run = found.run.as_ref().map(|run| run.join("config.toml"));
        let recipe = match args.recipe.as_ref().or(of_run.as_ref()) {
            Some(path) => Some(recipe_with(path, args)?),
            None => None,
        };
        let device = device::open(&args.device.device, args.device.threads)?;
        let ledger = Ledger::new();
        let (model, processor) =
            found.load(device, LoadHead::Needed(HeadKind::LanguageModel), &ledger)?;
        let tokenizer = processor.tokenizer()?.clone();
        found.must_be_masked(&*model, "sst eval perplexity")?;
        let (limit, known) = (model.max_length()?, model.vocab_size()?);
        if let Some(mask) = tokenizer.special().mask.filter(|mask| *mask as usize >= known) {
            let message = format!(
                "{}: the tokenizer's mask token is id {mask}, and the model knows ids below {known}: use the tokenizer \
                 that the model was trained with",
                args.model.display()
            );
            return Err(Usage(message).into());
        }
        let rows: Arc<dyn Dataset> = match (&recipe, args.data.is_empty()) {
            (Some(recipe), true) => {
                let task = task(recipe, args)?;
                let data = recipe.prepare(task, &tokenizer, &ledger)?;
                if let (Some(folder), None) = (&found.run, &args.recipe) {
                    check_held_out(folder, task, &data)?;
                }
                let fraction = task.data.validation;
                recipe.rows(task, &data, Subset::Validation { fraction }, &tokenizer, &ledger)?
            }
            (None, true) => {
                let message = format!(
                    "{} belongs to no run: say with --data or --recipe what to measure on",
                    args.model.display()
                );
                return Err(Usage(message).into());
            }
            (_, false) => Arc::new(given_rows(args, recipe.as_ref(), &tokenizer, limit, &ledger)?),
        };
        Ok(Self { model, tokenizer, rows, device, recipe, ledger })
    }
}

/// The recipe with what the arguments say otherwise.
fn recipe_with(path: &Path, args: &EvalArgs) -> Result<CheckedRecipe> {
    let mut sets = Vec::new();
    let prefix = args.task.as_ref().map_or(String::new(), |task| format!("tasks.{task}."));
    // Data given by hand is read from elsewhere; the run's own may have moved.
    if let Some(first) = args.data.first() {
        sets.push(format!("{prefix}data.paths=[{}]", json!(first)));
    }
    sets.extend(args.rows.as_ref().map(|rows| format!("{prefix}data.rows={rows}")));
    sets.extend(args.max_length.map(|length| format!("{prefix}data.max_length={length}")));
    recipe::check(path, &sets)
}

/// The task whose data and masks are meant.
fn task<'r>(recipe: &'r CheckedRecipe, args: &EvalArgs) -> Result<&'r Task> {
    let found = recipe.config.tasks.find(args.task.as_deref());
    found.map_err(|message| Usage(message).into())
}

/// The rows of the files of `--data`.
fn given_rows(
    args: &EvalArgs,
    recipe: Option<&CheckedRecipe>,
    tokenizer: &Tokenizer,
    limit: usize,
    ledger: &Ledger,
) -> Result<TokenRows> {
    let data = recipe.map(|recipe| task(recipe, args)).transpose()?.map(|task| &task.data);
    let source = source(&args.data, &args.documents)?;
    let clean = data.map_or_else(CleanConfig::default, |data| data.clean.clone());
    let cache = match recipe {
        Some(recipe) => recipe.cache()?,
        None => files::user_cache()?.join("prepared"),
    };
    let cache = cache.join("stores");
    let preparation = Preparation {
        source: &source,
        clean: &clean,
        tokenizer,
        sentence_ends: false,
        ledger,
        cache: &cache,
    };
    let store = preparation.prepare(&mut |_, _| {})?;
    let mode = match (&args.rows, data) {
        (Some(word), _) => named("--rows", word)?,
        (None, Some(data)) => data.rows,
        (None, None) => RowMode::Chunk,
    };
    let length = args.max_length.or(data.map(|data| data.max_length)).unwrap_or(limit);
    if length > limit {
        let message = format!("--max-length is {length}, but the model reads {limit} tokens");
        return Err(Usage(message).into());
    }
    let frame = tokenizer.frame().clone();
    TokenRows::new(store, Subset::All, mode, length, frame, ledger)
        .map_err(|error| Usage(error.to_string()).into())
}
