//! `sst eval` with evaluators of rows of tokens.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sst_cli::args::{DocumentArgs, EvalArgs, MaskAccuracyArgs};
use sst_cli::exit::Usage;
use sst_cli::files;
use sst_cli::flags;
use sst_cli::host::source::{named, source};
use sst_core::{HeadKind, Modality, Model};
use sst_data::clean::CleanConfig;
use sst_data::rows::{Dataset, RowMode, Subset, TokenRows};
use sst_data::store::Preparation;
use sst_data::tokenize::Tokenizer;
use sst_data::{Ledger, NamesSettings};
use sst_eval::{Entry, Input, ObjectiveRows};
use sst_models::LoadHead;
use sst_objectives::ObjectiveError;
use sst_run::recipe::Task;
use sst_run::{CheckedRecipe, check_held_out};
use tch::Device;

use super::measure::{Measured, Setting, evaluate};
use crate::{model, recipe, settings};

/// What an evaluator of rows works on.
struct Bench {
    model: Box<dyn Model>,
    tokenizer: Tokenizer,
    rows: Arc<dyn Dataset>,
    device: Device,
    /// The recipe of the run, or the one asked for.
    recipe: Option<CheckedRecipe>,
    ledger: Ledger,
}

/// Measures a model with an evaluator of rows and their tokenizer.
///
/// # Errors
/// If model or data cannot be read, or there is nothing to measure.
pub(super) fn token_rows(
    entry: &Entry,
    args: &EvalArgs,
    mut settings: Vec<Setting<'_>>,
) -> Result<Measured> {
    let bench = Bench::open(args)?;
    settings.push(("batch_size", json!(args.batch_size)));
    let (rows, tokenizer) = (Arc::clone(&bench.rows), bench.tokenizer.clone());
    let input = Input::TokenRows(sst_eval::TokenRows { rows, tokenizer });
    let report = evaluate(entry, settings, input, &*bench.model, None, &args.model)?;
    Ok(Measured::new(report, bench.ledger, args.json))
}

/// Measures a model with an evaluator of the batches that an objective makes: the objective of the run, or the first of
/// the list that is measured with this evaluator.
///
/// # Errors
/// If model or data cannot be read, or there is nothing to measure.
pub(super) fn objective_rows(
    entry: &Entry,
    args: &MaskAccuracyArgs,
    mut settings: Vec<Setting<'_>>,
) -> Result<Measured> {
    let bench = Bench::open(&args.eval)?;
    let config = bench.recipe.as_ref().map(|recipe| &recipe.config);
    let task = bench.recipe.as_ref().map(|recipe| task(recipe, &args.eval)).transpose()?;
    let fits = |objective: &&sst_objectives::Entry| objective.held_out.contains(&entry.name);
    let of_task = task.and_then(|task| sst_objectives::entry(task.objective_name()).ok());
    let of_task = of_task.filter(fits);
    let fitting_task = task.filter(|_| of_task.is_some());
    let objective = of_task.or_else(|| sst_objectives::list().iter().find(fits));
    let name = objective.context("no objective is measured with this evaluator")?.name;
    let mut keys = fitting_task.map_or_else(|| json!({}), |task| task.objective_config());
    if let (Some(rate), Value::Object(keys)) = (args.mask_rate, &mut keys) {
        keys.insert("mask_rate".to_owned(), json!(rate));
    }
    let seed = args.seed.or(config.map(|config| config.run.seed)).unwrap_or(0);
    let hidden_size = bench.model.hidden_size(Modality::Text)?;
    let context =
        sst_objectives::Context::new(Some(&bench.tokenizer), hidden_size, bench.device, seed);
    let context = sst_objectives::Context { padding_free: true, ..context };
    let objective = sst_objectives::build(name, &keys, &context).map_err(|error| match error {
        ObjectiveError::Config { path, message }
            if path == "mask_rate" && args.mask_rate.is_some() =>
        {
            Usage(format!("--mask-rate {message}"))
        }
        other => Usage(other.to_string()),
    })?;
    settings.extend([("batch_size", json!(args.eval.batch_size)), ("seed", json!(seed))]);
    let input = Input::ObjectiveRows(ObjectiveRows {
        objective: name.to_owned(),
        collate: objective.collate(),
        rows: Arc::clone(&bench.rows),
    });
    let model = &args.eval.model;
    let report = evaluate(entry, settings, input, &*bench.model, Some(&*objective), model)?;
    Ok(Measured::new(report, bench.ledger, args.eval.json))
}

impl Bench {
    fn open(args: &EvalArgs) -> Result<Self> {
        let DocumentArgs { format, text_field, skip_errors } = &args.documents;
        if args.data.is_empty() && (format.is_some() || text_field != "text" || *skip_errors) {
            let message = "--format, --text-field and --skip-errors say how the files of --data are read: give --data, \
                           or omit them";
            return Err(Usage(message.to_owned()).into());
        }
        let found = model::find(&args.model)?;
        let device = settings::open_device(&args.device)?;
        let ledger = Ledger::new();
        let (model, processor) =
            found.load(device, LoadHead::Needed(HeadKind::LanguageModel), &ledger)?;
        let tokenizer = processor.tokenizer()?.clone();
        found.must_be_masked(&*model, "sst eval perplexity")?;
        let (limit, known) = (model.max_length()?, model.vocab_size()?);
        if let Some(length) = args.max_length.filter(|length| *length > limit) {
            let message = format!("--max-length is {length}, but the model reads {limit} tokens");
            return Err(Usage(message).into());
        }
        let of_run = found.run.as_ref().map(|run| run.join("config.toml"));
        let recipe = match args.recipe.as_ref().or(of_run.as_ref()) {
            Some(path) => Some(recipe_with(path, args)?),
            None => None,
        };
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
                let data = recipe.prepare(task, &processor, &ledger)?;
                if let (Some(folder), None) = (&found.run, &args.recipe) {
                    check_held_out(folder, task, &data)?;
                }
                let fraction = task.data.validation;
                recipe.rows(task, &data, Subset::Validation { fraction }, &processor, &ledger)?
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
    let mut recipe = recipe::read(path, &[])?;
    let prefix = args.task.as_ref().map_or(String::new(), |task| format!("tasks.{task}."));
    // Data given by hand is read from elsewhere; the run's own may have moved.
    if let Some(first) = args.data.first() {
        let set = format!("{prefix}data.paths=[{}]", json!(first));
        recipe = recipe.set_by_option("--data", &set)?;
    }
    if let Some(rows) = &args.rows {
        named::<RowMode>("--rows", rows)?;
        recipe = recipe.set_by_option("--rows", &format!("{prefix}data.rows={rows}"))?;
    }
    if let Some(length) = args.max_length {
        let set = format!("{prefix}data.max_length={length}");
        recipe = recipe.set_by_option("--max-length", &set)?;
    }
    Ok(recipe.check()?)
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
        let message = format!(
            "data.max_length of the recipe is {length}, but the model reads {limit} tokens: give --max-length"
        );
        return Err(Usage(message).into());
    }
    let template = tokenizer.special_token_template().clone();
    TokenRows::new(store, Subset::All, mode, length, template, ledger).map_err(|error| {
        let flags = flags::shown(&error.settings(), flags::FLAGS);
        Usage(format!("{error}{flags}")).into()
    })
}
