//! `sst pretrain`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sst_cli::args::PretrainArgs;
use sst_cli::exit::{Ends, Exit, Usage};
use sst_cli::{files, render};
use sst_core::{Evaluator, Metrics, Model, Objective, Tracker};
use sst_data::Ledger;
use sst_data::batching::{Batching, Position};
use sst_data::loader::{Loader, LoaderConfig};
use sst_data::rows::{Dataset, Subset};
use sst_data::tokenize::Tokenizer;
use sst_eval::{HeldOut, MaskAccuracy};
use sst_models::{HostModel, ModelCard};
use sst_train::track::{Jsonl, LossPlot, Progress, TensorBoard};
use sst_train::{Fit, FitConfig, Outcome, Saver, StopReason, TrainError, WriteModel, fit};
use tch::Device;

use crate::batching;
use crate::device;
use crate::prepared::Recipe;
use crate::resolve::{Checkpointing, Duration, RunConfig, Scale};
use crate::run::{self, Environment};

/// Steps that workers have ready beyond those they make.
const PREFETCH: usize = 4;

/// Trains as the recipe says.
///
/// # Errors
/// If the recipe is wrong, the data cannot be read, the run cannot be written, or the loss is not
/// finite.
pub(crate) fn run(args: &PretrainArgs) -> Result<Exit> {
    let mut recipe = Recipe::resolve(&args.recipe, &args.set)?;
    if args.dry_run {
        render::line(recipe.config.to_toml()?.trim_end())?;
        return Ok(Exit::Done);
    }
    let folder = recipe.config.folder();
    let saver = Saver::new(&folder);
    let resuming = may_start(&saver, &folder, args.resume)?;
    if resuming {
        run::check_same(&folder, &recipe.config, &args.allow_change)?;
    }
    let device = device::open(&recipe.config.run.device, recipe.config.run.threads)?;

    // What can be refused early is refused before the data is read.
    let ledger = Ledger::new();
    let tokenizer = Arc::new(recipe.tokenizer()?);
    if resuming {
        run::check_data(&folder, "tokenizer", &json!(tokenizer.fingerprint()))?;
    }
    recipe.complete(&tokenizer)?;
    let recipe = recipe;
    let mut objective = recipe.objective(&tokenizer)?;
    let mut model = recipe.model(&tokenizer, device)?;
    let checkpointing = &recipe.config.train.engine.activation_checkpointing;
    if *checkpointing != Checkpointing::All(false) {
        let picked = model.checkpoint_layers(&|layer| checkpointing.picks(layer))?;
        if picked == 0 {
            let message = "train.activation_checkpointing picks no layer of the model";
            return Err(Usage(message.to_owned()).into());
        }
    }

    let store = recipe.store(&tokenizer, &ledger)?;
    let fraction = recipe.config.data.validation;
    let train = recipe.rows(&store, Subset::Train { fraction }, &tokenizer, &ledger)?;
    let held_out =
        recipe.rows(&store, Subset::Validation { fraction }, &tokenizer, &Ledger::new())?;
    let scale = scale(&recipe.config, &train);
    let mut fit_config = fit_config(&recipe.config, scale, device)?;
    if recipe.config.train.engine.measure_mfu {
        let length = scale.tokens_per_row.round() as usize;
        fit_config.flops_per_token = model.flops_per_token(length, objective.scored_share());
    }
    let environment = Environment {
        device,
        tokenizer: &tokenizer,
        store: &store,
        train: &train,
        validation_rows: held_out.len(),
        total_steps: fit_config.total_steps,
        parameters: model.params().num_trainable(),
    };
    if resuming {
        environment.check(&folder)?;
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    environment.write(&folder, &recipe.config)?;

    let resume = match if resuming { saver.latest_good()? } else { None } {
        Some(checkpoint) => {
            render::note(&format!("resuming from {}", checkpoint.path().display()));
            Some(checkpoint.restore(&mut *model, &mut *objective).map_err(train_error)?)
        }
        None => None,
    };
    let mut evaluators = evaluators(&recipe, &tokenizer, Arc::new(held_out), device)?;
    let mut trackers =
        trackers(&folder, resume.as_ref().map_or(0, |restored| restored.state.step))?;
    let train: Arc<dyn Dataset> = Arc::new(train);
    let rule = batching::rule(&recipe.config, &train, &tokenizer, scale, fit_config.total_steps)?;
    let open_loader = open_loader(&recipe.config, train, rule, &*objective)?;
    let card = card(&recipe.config);
    let export = |model: &dyn Model, metrics: &Metrics| -> Result<WriteModel, TrainError> {
        let other = |error| TrainError::Other(Box::new(error));
        let card = ModelCard { metrics: held_out_only(metrics), ..card.clone() };
        let (model, tokenizer) = (HostModel::copy(model).map_err(other)?, Arc::clone(&tokenizer));
        Ok(Box::new(move |folder| model.save(folder, Some(&tokenizer), &card).map_err(other)))
    };
    let stop = stop_on_signals()?;
    let outcome = fit(Fit {
        config: fit_config,
        model: &mut *model,
        objective: &mut *objective,
        open_loader: &*open_loader,
        evaluators: &mut evaluators,
        trackers: &mut trackers,
        saver: &saver,
        export: &export,
        ledger: &ledger,
        stop: &stop,
        resume,
        fault: recipe.config.train.engine.fault(),
    });
    // A failed run has its ledger too: it may tell why.
    files::write_json(&folder.join("ledger.json"), &json!(ledger.entries()))?;
    render::ledger(&ledger.entries());
    conclude(args, &folder, &outcome.map_err(train_error)?)
}

/// Whether there is something to go on from. A folder with checkpoints is never started anew.
fn may_start(saver: &Saver, folder: &Path, resume: bool) -> Result<bool> {
    let saved = !saver.steps()?.is_empty();
    if saved && !resume {
        let message = format!(
            "{} holds checkpoints of an earlier run: go on with --resume, or start another run with \
             --set run.name=NAME",
            folder.display()
        );
        return Err(Usage(message).into());
    }
    if resume && !saved {
        render::note(&format!("{} holds no checkpoint yet: starting anew", folder.display()));
    }
    Ok(saved)
}

/// What a step is, on average.
fn scale(config: &RunConfig, rows: &dyn Dataset) -> Scale {
    // A sample of the rows tells the mean.
    let sampled = rows.len().min(4096);
    let sum: usize = (0..sampled).map(|i| rows.row_length(i * rows.len() / sampled.max(1))).sum();
    let tokens_per_row = (sum as f64 / sampled.max(1) as f64).max(1.0);
    config.train.batching.scale(rows.len(), tokens_per_row)
}

/// The settings of the loop, every duration in steps.
fn fit_config(config: &RunConfig, scale: Scale, device: Device) -> Result<FitConfig> {
    let train = &config.train;
    let total_steps = train.steps.total_steps(scale).unwrap_or(0).max(1);
    let every = |duration: Duration| match duration.steps(scale, total_steps) {
        0 => None,
        steps => Some(steps),
    };
    Ok(FitConfig {
        total_steps,
        max_grad_norm: (train.max_grad_norm > 0.0).then_some(train.max_grad_norm),
        log_every: every(train.log_every).unwrap_or(1),
        eval_every: every(train.eval_every),
        save_every: every(train.save_every),
        precision: train.precision,
        seed: config.run.seed,
        device,
        optimizer: train.optimizer,
        schedule: train.schedule.in_steps(scale, total_steps),
        ..train.engine.fit_config(scale, total_steps)
    })
}

/// Opens the loader at a position.
type OpenLoader = dyn Fn(Position) -> Result<Loader, TrainError>;

fn open_loader(
    config: &RunConfig,
    rows: Arc<dyn Dataset>,
    batching: Arc<dyn Batching>,
    objective: &dyn Objective,
) -> Result<Box<OpenLoader>> {
    let seed = config.run.seed;
    let collate = objective.collate();
    let loader =
        LoaderConfig { seed, workers: config.data.workers, prefetch: PREFETCH, rank: 0, world: 1 };
    Ok(Box::new(move |from| {
        let (rows, collate) = (Arc::clone(&rows), Arc::clone(&collate));
        Ok(Loader::new(rows, collate, Arc::clone(&batching), loader, from)?)
    }))
}

/// What measures the model on the validation rows; nothing if there are none.
fn evaluators(
    recipe: &Recipe,
    tokenizer: &Tokenizer,
    rows: Arc<dyn Dataset>,
    device: Device,
) -> Result<Vec<Box<dyn Evaluator>>> {
    let config = &recipe.config;
    if rows.is_empty() {
        if config.data.validation > 0.0 {
            tracing::warn!("no document fell into the validation part: raise data.validation");
        }
        return Ok(Vec::new());
    }
    let objective = recipe.objective(tokenizer)?;
    let batch_size = config.train.batching.eval_rows(config.data.max_length);
    let seed = config.run.seed;
    let evaluator: Box<dyn Evaluator> = match objective.name() {
        // Its report holds the same loss, from the same masks.
        "mlm" => Box::new(MaskAccuracy::new(objective, rows, batch_size, device, seed)),
        _ => Box::new(HeldOut::new(objective, rows, batch_size, device, seed)),
    };
    Ok(vec![evaluator])
}

fn trackers(folder: &Path, step: u64) -> Result<Vec<Box<dyn Tracker>>> {
    let metrics = folder.join("metrics.jsonl");
    // The plot reads what the first one writes.
    Ok(vec![
        Box::new(Jsonl::open(&metrics, step)?),
        Box::new(TensorBoard::open(&folder.join("tb"), step)?),
        Box::new(LossPlot::new(&metrics, &folder.join("loss.png"))),
        Box::new(Progress::stderr()),
    ])
}

fn held_out_only(metrics: &Metrics) -> Metrics {
    let held_out = |(name, value): (&String, &f64)| {
        name.strip_prefix("eval/").map(|name| (name.to_owned(), *value))
    };
    metrics.iter().filter_map(held_out).collect()
}

fn card(config: &RunConfig) -> ModelCard {
    let data = config.data.paths.join(", ");
    let (name, objective) = (&config.run.name, config.objective_name());
    let body = format!(
        "# {name}\n\nPretrained from {data} with the objective `{objective}` for {}, {}, by \
         [sst]({}).",
        config.train.steps,
        config.train.batching.describe(),
        env!("CARGO_PKG_REPOSITORY")
    );
    let pipeline_tag = (objective == "mlm").then(|| "fill-mask".to_owned());
    ModelCard { tags: vec![objective.to_owned()], pipeline_tag, body, ..ModelCard::default() }
}

/// Set by the first Ctrl-C (or SIGTERM, SIGHUP); the second ends the process at once.
fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    let handler = move || {
        if set.swap(true, Ordering::SeqCst) {
            render::note("stopped at once; the last checkpoint stands");
            #[allow(
                clippy::exit,
                clippy::disallowed_methods,
                reason = "the user asked twice; nothing is being written in place"
            )]
            std::process::exit(Exit::Failed as i32);
        }
        render::note("stopping: finishing the step and saving; once more to stop at once");
    };
    ctrlc::set_handler(handler).context("cannot listen to Ctrl-C")?;
    Ok(stop)
}

/// Gives errors of the engine their exit code.
fn train_error(error: TrainError) -> anyhow::Error {
    match error {
        TrainError::NonFinite { .. } => {
            Ends { exit: Exit::NonFinite, message: error.to_string() }.into()
        }
        TrainError::Config { .. }
        | TrainError::WholeBatch { .. }
        | TrainError::WholeBatchMemory { .. }
        | TrainError::RunExists { .. }
        | TrainError::Resume { .. } => Usage(error.to_string()).into(),
        TrainError::Other(inner) => anyhow::Error::from_boxed(inner),
        other => other.into(),
    }
}

/// Tells how it ended.
fn conclude(args: &PretrainArgs, folder: &Path, outcome: &Outcome) -> Result<Exit> {
    let none = Metrics::new();
    let (exit, status, step, checkpoint, metrics): (_, _, _, &PathBuf, _) = match outcome {
        Outcome::Finished { step, metrics, checkpoint } => {
            (Exit::Done, "finished", step, checkpoint, metrics)
        }
        Outcome::Stopped { step, checkpoint, .. } => {
            (Exit::Stopped, "stopped", step, checkpoint, &none)
        }
    };
    if let Outcome::Stopped { reason, .. } = outcome {
        let why = match reason {
            StopReason::Asked => "",
            StopReason::MaxTokens => ", its tokens spent",
            StopReason::MaxSeconds => ", its time spent",
        };
        render::note(&format!(
            "stopped at step {step}{why}; go on with: sst pretrain {} --resume",
            args.recipe.display()
        ));
    }
    if args.json {
        let value: Value = json!({
            "version": 1, "status": status, "step": step, "run": folder, "checkpoint": checkpoint,
            "model": checkpoint.join("model"), "metrics": metrics,
        });
        render::json(&value)?;
    } else {
        for (name, value) in metrics.iter().filter(|(name, _)| name.starts_with("eval/")) {
            render::note(&format!("{name} {value:.4}"));
        }
        render::line(&checkpoint.join("model").display().to_string())?;
    }
    Ok(exit)
}
