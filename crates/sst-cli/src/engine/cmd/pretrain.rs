//! `sst pretrain`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use sst_cli::args::PretrainArgs;
use sst_cli::exit::{self, Ends, Exit, Usage};
use sst_cli::{files, render};
use sst_core::{Evaluator, Metrics, Model, Objective, Solo, Tracker};
use sst_data::Ledger;
use sst_models::{HostModel, ModelCard};
use sst_train::track::{Jsonl, LossPlot, Progress, TensorBoard};
use sst_train::{
    Checkpoint, Fit, FitConfig, Outcome, ProfileConfig, Retention, Saver, StopReason, Task, Tasks,
    TrainError, WriteModel, fit,
};
use tch::Device;

use crate::prepared::Recipe;
use crate::resolve::{Checkpointing, Duration, Problem, RunConfig, misses, unused};
use crate::run::{self, Environment};
use crate::run_lock::RunLock;
use crate::signals::Signals;
use crate::tasks::TaskSet;
use crate::{precision, processor, run_folder};

/// Trains as the recipe says.
///
/// # Errors
/// If the recipe is wrong, the data cannot be read, the run cannot be written, or the loss is not
/// finite.
pub(crate) fn run(args: &PretrainArgs) -> Result<Exit> {
    let mut recipe = Recipe::resolve(&args.recipe, &args.set)?;
    let ledger = Ledger::new();
    ledger.add_unused(&unused(&recipe.config, &recipe.written));
    if args.dry_run {
        let resolved = recipe.config.to_toml()?;
        match recipe.device() {
            Ok(device) => drop(precision::decide(&mut recipe.config, device, false)?),
            // A recipe for a GPU may be looked at where there is none.
            Err(error) => tracing::warn!("a run on this machine would be refused: {error:#}"),
        }
        recipe.rehearse()?;
        render::line(resolved.trim_end())?;
        render::ledger(&ledger.entries());
        return Ok(Exit::Done);
    }
    let folder = recipe.config.folder();
    let _lock = RunLock::take(&folder)?;
    let saver = Saver::new(&folder);
    saver.take_in_latest()?;
    let resuming = may_start(&saver, &folder, args)?;
    let mut is_kept = false;
    if resuming {
        is_kept = precision::keep(&mut recipe.config, &folder, &args.allow_change)?;
        run::check_same(&folder, &recipe.config, &args.allow_change)?;
    }
    let device = recipe.device()?;
    let precision = precision::decide(&mut recipe.config, device, is_kept)?;
    if resuming && device == Device::Cpu {
        processor::compare(&run::read_environment(&folder)?)?;
    }

    // What can be refused early is refused before the data is read.
    recipe.rehearse_training()?;
    let tokenizer = Arc::new(recipe.tokenizer()?);
    ledger.add_unused(tokenizer.unused());
    if resuming {
        let tokenizer = json!(tokenizer.fingerprint());
        run::check_data(&folder, "tokenizer", &tokenizer, &[]).map_err(|error| {
            // A tokenizer that was trained again on changed data, say.
            let source = recipe.tokenizer_source().unwrap_or_default();
            Usage(format!("{error}; the tokenizer is {source}"))
        })?;
    }
    recipe.complete(&tokenizer)?;
    let recipe = recipe;
    let (mut model, carried) = recipe.model(&tokenizer, device, &ledger)?;
    let tasks = recipe.config.tasks.list.iter();
    let objectives = tasks.map(|task| recipe.objective(task, &tokenizer, &*model));
    let mut objectives: Vec<_> = objectives.collect::<Result<_>>()?;
    let checkpointing = &recipe.config.train.engine.activation_checkpointing;
    if *checkpointing != Checkpointing::All(false) {
        let picked = model.checkpoint_layers(&|layer| checkpointing.picks(layer))?;
        if picked == 0 {
            let message = "train.activation_checkpointing picks no layer of the model";
            return Err(Usage(message.to_owned()).into());
        }
    }

    let tasks = TaskSet::read(&recipe, &tokenizer, &ledger)?;
    let mut fit_config = FitConfig { precision, ..fit_config(&recipe.config, &tasks, device) };
    keeps_the_best(&recipe, &fit_config)?;
    if recipe.config.train.engine.measure_mfu {
        fit_config.flops_per_token = tasks.flops_per_token(&*model, &objectives);
    }
    let profile = |steps| ProfileConfig { steps, folder: folder.join("profile") };
    fit_config.profile = args.profile.map(profile);
    let environment = Environment {
        device,
        tokenizer: &tokenizer,
        tasks: &tasks.list,
        total_steps: fit_config.total_steps,
        parameters: model.params().num_trainable(),
    };
    if resuming {
        environment.check(&folder, &args.allow_change)?;
    }
    let mut evaluators = tasks.evaluators(&tokenizer, &*model, &objectives)?;
    has_figure(&recipe, &evaluators)?;
    let checkpoint = if resuming { saver.latest_good()? } else { None };
    let done = checkpoint.as_ref().map_or(0, Checkpoint::step);
    if done > environment.total_steps {
        let message = format!(
            "{} has done {done} steps, and train.steps asks for {} in all: raise it to go on",
            folder.display(),
            environment.total_steps
        );
        return Err(Usage(message).into());
    }
    environment.write(&folder, &recipe.config)?;

    let resume = match checkpoint {
        Some(checkpoint) => {
            render::note(&format!("resuming from {}", checkpoint.path().display()));
            let tasks = recipe.config.tasks.list.iter().map(|task| &*task.name);
            let mut named: Vec<(&str, &mut dyn Objective)> = Vec::new();
            for (name, objective) in tasks.zip(&mut objectives) {
                named.push((name, &mut **objective));
            }
            Some(checkpoint.restore(&mut *model, &mut named).map_err(train_error)?)
        }
        None => None,
    };
    let mut trackers =
        trackers(&folder, resume.as_ref().map_or(0, |restored| restored.state.step))?;
    let open_loaders = tasks.open_loaders(&objectives, &tokenizer)?;
    let card = card(&recipe.config);
    let export = |model: &dyn Model, metrics: &Metrics| -> Result<WriteModel, TrainError> {
        let other = |error| TrainError::Other(Box::new(error));
        let card = ModelCard { metrics: held_out_only(metrics), ..card.clone() };
        let (model, tokenizer) = (HostModel::copy(model).map_err(other)?, Arc::clone(&tokenizer));
        let model = match &carried {
            Some(carried) => model.carry(carried.clone()),
            None => model,
        };
        Ok(Box::new(move |folder| model.save(folder, Some(&tokenizer), &card).map_err(other)))
    };
    let signals = Signals::listen(saver.clone())?;
    let mut list = Vec::new();
    for ((data, objective), open_loader) in
        tasks.list.iter().zip(&mut objectives).zip(&open_loaders)
    {
        let name = data.task.name.clone();
        list.push(Task { name, objective: &mut **objective, open_loader: &**open_loader });
    }
    let outcome = fit(Fit {
        config: fit_config,
        ranks: &Solo,
        model: &mut *model,
        tasks: Tasks { list, mixture: tasks.mixture.clone() },
        evaluators: &mut evaluators,
        trackers: &mut trackers,
        saver: &saver,
        export: &export,
        ledger: &ledger,
        stop: signals.stop(),
        resume,
        fault: recipe.config.train.engine.fault(),
    });
    signals.run_ended();
    // A failed run has its ledger too: it may tell why. Its own error comes first.
    let written = files::write_json(&folder.join("ledger.json"), &json!(ledger.entries()));
    render::ledger(&ledger.entries());
    let outcome = match (outcome, &written) {
        (Ok(outcome), _) => outcome,
        (Err(error), written) => {
            if let Err(unwritten) = written {
                render::note(&format!("the ledger is lost: {unwritten:#}"));
            }
            return Err(how_to_go_on(error, &saver, &folder));
        }
    };
    written?;
    conclude(args, &folder, &recipe.config, &outcome)
}

/// Whether there is something to go on from. A folder with checkpoints is never started anew.
fn may_start(saver: &Saver, folder: &Path, args: &PretrainArgs) -> Result<bool> {
    let (saved, resume) = (!saver.steps()?.is_empty(), args.resume);
    let beside = args.recipe.parent().filter(|place| place.join("checkpoints").is_dir());
    if let Some(beside) = beside.filter(|_| resume && !saved) {
        let message = format!(
            "{} holds no checkpoint, but {} does: if that run was moved or renamed, say so with --set \
             run.dir=FOLDER --set run.name=NAME",
            folder.display(),
            beside.display()
        );
        return Err(Usage(message).into());
    }
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

/// Checks in steps what the recipe may say in shares of the run.
fn keeps_the_best(recipe: &Recipe, config: &FitConfig) -> Result<()> {
    let Retention { last, best, .. } = config.retention;
    if last == 0 || best == 0 {
        return Ok(());
    }
    let (eval, save) = (config.eval_every.unwrap_or(0), config.save_every.unwrap_or(0));
    misses(eval, save, Some(config.total_steps)).map_err(|problem| recipe.refuse(problem))
}

/// The figure that checkpoints are kept for must be of one of the evaluators.
fn has_figure(recipe: &Recipe, evaluators: &[Box<dyn Evaluator>]) -> Result<()> {
    let Some(by) = &recipe.config.train.engine.keep.by else { return Ok(()) };
    let names: Vec<_> = evaluators.iter().map(|one| format!("eval/{}/", one.name())).collect();
    if names.iter().any(|name| by.metric.starts_with(name)) {
        return Ok(());
    }
    let message = match names.is_empty() {
        true => format!("is \"{}\", and there is nothing to evaluate on", by.metric),
        false => format!("is \"{}\", but figures begin with {}", by.metric, names.join(" or ")),
    };
    Err(recipe.refuse(Problem::new("train.keep.by.metric", message)))
}

/// The settings of the loop, every duration in steps.
fn fit_config(config: &RunConfig, tasks: &TaskSet<'_>, device: Device) -> FitConfig {
    let train = &config.train;
    let (scale, total_steps) = (tasks.scale, tasks.total_steps);
    let every = |duration: Duration| match duration.steps(scale, total_steps) {
        0 => None,
        steps => Some(steps),
    };
    FitConfig {
        total_steps,
        max_grad_norm: (train.max_grad_norm > 0.0).then_some(train.max_grad_norm),
        log_every: every(train.log_every).unwrap_or(1),
        eval_every: every(train.eval_every),
        save_every: every(train.save_every),
        seed: config.run.seed,
        device,
        optimizer: train.optimizer,
        schedule: train.schedule.in_steps(scale, total_steps),
        ..train.engine.fit_config(scale, total_steps)
    }
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
    let tasks = &config.tasks.list;
    let mut data: Vec<&str> =
        tasks.iter().flat_map(|task| &task.data.paths).map(String::as_str).collect();
    data.sort_unstable();
    data.dedup();
    let mut objectives: Vec<_> =
        tasks.iter().map(|task| task.objective_name().to_owned()).collect();
    objectives.sort_unstable();
    objectives.dedup();
    let plural = if objectives.len() > 1 { "s" } else { "" };
    let body = format!(
        "# {}\n\nPretrained from {} with the objective{plural} `{}` for {}, {}, by [sst]({}).",
        config.run.name,
        data.join(", "),
        objectives.join("`, `"),
        config.train.steps,
        config.train.batching.describe(),
        env!("CARGO_PKG_REPOSITORY")
    );
    let tag = |name: &String| sst_objectives::entry(name).ok()?.pipeline_tag.map(str::to_owned);
    let pipeline_tag = objectives.iter().find_map(tag);
    ModelCard { tags: objectives, pipeline_tag, body, ..ModelCard::default() }
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

/// Adds to an error of the system, such as a full disk, how the run goes on once its cause is gone.
fn how_to_go_on(error: TrainError, saver: &Saver, folder: &Path) -> anyhow::Error {
    let passes = matches!(
        error,
        TrainError::Save { .. }
            | TrainError::Io { .. }
            | TrainError::Load(_)
            | TrainError::Core(_)
            | TrainError::Other(_)
    );
    let error = train_error(error);
    if !passes {
        return error;
    }
    let newest = saver.steps().ok().and_then(|steps| steps.last().copied());
    let advice = match newest {
        Some(step) => {
            format!("when that is mended, go on from step {step} with: {}", resume_command(folder))
        }
        None => "there is no checkpoint yet: when that is mended, start it again with the same \
                 command"
            .to_owned(),
    };
    Ends { exit: Exit::Failed, message: format!("{}. {advice}", exit::message(&error)) }.into()
}

/// What resumes the run in `folder`: its own config.toml holds what --set said, and the run's name.
fn resume_command(folder: &Path) -> String {
    let recipe = folder.join(run_folder::CONFIG).display().to_string();
    format!("sst pretrain {} --resume", render::shell_word(&recipe))
}

/// Tells how it ended.
fn conclude(
    args: &PretrainArgs,
    folder: &Path,
    config: &RunConfig,
    outcome: &Outcome,
) -> Result<Exit> {
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
        // A budget is of the run as a whole: to go on, it must be raised.
        let budget = &config.train.engine.budget;
        let (why, more) = match reason {
            StopReason::Asked => ("", String::new()),
            StopReason::MaxTokens => {
                let tokens = budget.tokens.unwrap_or(1).saturating_mul(2);
                (", its tokens spent", format!(" --set train.budget.tokens={tokens}"))
            }
            StopReason::MaxSeconds => {
                let seconds = budget.seconds.unwrap_or(1.0) * 2.0;
                (", its time spent", format!(" --set train.budget.seconds={seconds}"))
            }
        };
        let command = resume_command(folder);
        render::note(&format!("stopped at step {step}{why}; go on with: {command}{more}"));
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
