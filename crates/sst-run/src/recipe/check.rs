//! Checks across keys. Each names the key to change.

use std::path::Path;

use serde_json::Value;
use sst_data::rows::RowMode;
use sst_models::ModelError;
use sst_objectives::ObjectiveError;
use sst_train::{PrecisionChoice, ScheduleName};

use super::config::{ModelChoice, RunConfig, TokenizerChoice, Train};
use super::duration::Duration;
use super::engine::Checkpointing;
use super::error::Problem;
use super::limits;
use super::section;
use super::task::Task;
use crate::device;

/// Refuses what cannot run, as far as it can be told before any data is read.
pub(super) fn check(config: &RunConfig) -> Result<(), Problem> {
    // Before any of the others, which compute with the numbers.
    limits::check(config)?;
    run(config)?;
    config.tasks.list.iter().try_for_each(data)?;
    if let TokenizerChoice::Path(path) = &config.tokenizer {
        require(Path::new(path).exists(), "tokenizer.path", format!("{path} does not exist"))?;
    }
    one_cache(config)?;
    model(config)?;
    config.tasks.list.iter().try_for_each(|task| objective(task, &config.train))?;
    config.tasks.list.iter().try_for_each(|task| chunks(task, &config.train))?;
    train(&config.train)?;
    best(config)
}

/// Prepared data and tokenizers of a run lie in one folder.
fn one_cache(config: &RunConfig) -> Result<(), Problem> {
    let mut tasks = config.tasks.list.iter();
    let Some(first) = tasks.next() else { return Ok(()) };
    let same = |task: &&Task| task.data.cache == first.data.cache;
    let message = "is another folder than that of another task: say it once, in [data]";
    tasks
        .find(|task| !same(task))
        .map_or(Ok(()), |task| Err(Problem::new(&task.key("data.cache"), message)))
}

/// The objective's own rules on its keys, which need no tokenizer.
fn objective(task: &Task, train: &Train) -> Result<(), Problem> {
    let (name, config) = (task.objective_name(), task.objective_config());
    match sst_objectives::check(name, &config, train.padding_free) {
        Err(ObjectiveError::Config { path, message }) => {
            Err(section::problem(&task.key("objective"), &path, &message))
        }
        // Whatever else is told of where the objective is built.
        _ => Ok(()),
    }
}

/// A checkpoint can only be kept for its figure if there is one at its step.
fn best(config: &RunConfig) -> Result<(), Problem> {
    let Train { eval_every, save_every, engine, steps, .. } = &config.train;
    let keep = &engine.keep;
    if let Some(by) = &keep.by {
        let held_out = config.tasks.list.iter().any(|task| task.data.validation > 0.0);
        let message =
            format!("is \"{}\", but data.validation is 0: nothing is evaluated", by.metric);
        require(held_out, "train.keep.by.metric", message)?;
        let message = format!(
            "is \"{}\", which is no figure of an evaluation: those begin with eval/",
            by.metric
        );
        require(by.metric.starts_with("eval/"), "train.keep.by.metric", message)?;
    }
    // All are kept, or none for its figure.
    if keep.last == 0 || keep.best == 0 {
        return Ok(());
    }
    let (Duration::Steps(eval), Duration::Steps(save)) = (*eval_every, *save_every) else {
        return Ok(());
    };
    misses(
        eval,
        save,
        match steps {
            Duration::Steps(steps) => Some(*steps),
            _ => None,
        },
    )
}

/// Refuses evaluations at steps that are not saved: the best of them could not be kept.
pub(crate) fn misses(eval: u64, save: u64, steps: Option<u64>) -> Result<(), Problem> {
    // The last step is evaluated and saved in any case.
    let within = |every: u64| every > 0 && steps.is_none_or(|steps| every < steps);
    if !within(eval) || (save > 0 && eval.is_multiple_of(save)) {
        return Ok(());
    }
    let message = format!(
        "is {}, and train.eval_every is {eval}step: the best of the evaluated steps would not be saved. Make \
         train.eval_every a multiple of it, or set train.keep.best = 0",
        if save == 0 { "0 (the last step alone)".to_owned() } else { format!("{save}step") }
    );
    Err(Problem::new("train.save_every", message))
}

/// Contrastive losses in chunks run their own backward passes, beside which some of the engine has no place.
fn chunks(task: &Task, train: &Train) -> Result<(), Problem> {
    let rows = task.objective_config().get("chunk_rows").and_then(Value::as_u64).unwrap_or(0);
    let key = task.key("objective.chunk_rows");
    let whole = rows == 0 || train.engine.activation_checkpointing == Checkpointing::All(false);
    require(
        whole,
        &key,
        "must be 0 with train.activation_checkpointing: chunks save that memory too",
    )?;
    let wide = rows == 0 || train.precision != PrecisionChoice::Fp16;
    require(
        wide,
        &key,
        "must be 0 with train.precision = \"fp16\", whose loss is scaled later; take bf16",
    )
}

fn require(good: bool, key: &str, message: impl Into<String>) -> Result<(), Problem> {
    if good { Ok(()) } else { Err(Problem::new(key, message)) }
}

fn run(config: &RunConfig) -> Result<(), Problem> {
    let name = &config.run.name;
    let plain = !name.is_empty()
        && !name.contains(['/', '\\'])
        && !name.contains(char::is_control)
        && !matches!(name.as_str(), "." | "..");
    require(plain, "run.name", format!("\"{name}\" is not a folder name"))?;
    device::parse(&config.run.device).map_err(|message| Problem::new("run.device", message))?;
    Ok(())
}

fn data(task: &Task) -> Result<(), Problem> {
    let data = &task.data;
    let paths = task.key("data.paths");
    require(!data.paths.is_empty(), &paths, "is empty: name a file, a folder or a glob")?;
    for path in &data.paths {
        let pattern = path.contains(['*', '?', '[']);
        let message = format!("{path} does not exist (paths are relative to the current folder)");
        require(pattern || Path::new(path).exists(), &paths, message)?;
    }
    let fraction = data.validation;
    let message = format!("is {fraction} and must be at least 0 and below 1");
    require((0.0..1.0).contains(&fraction), &task.key("data.validation"), message)?;
    let name = task.objective_name();
    let (is_grouped, key) = (!data.pair_fields.is_empty(), task.key("data.pair_fields"));
    // An unknown objective is told of where it is built.
    if let Ok(wants) = sst_objectives::is_grouped(name) {
        let message =
            format!("is missing: `{name}` learns from pairs, and this names their other texts");
        require(is_grouped || !wants, &key, message)?;
        let message = format!("is for objectives on pairs, and `{name}` takes single texts");
        require(wants || !is_grouped, &key, message)?;
    }
    let fits = !is_grouped || data.rows == RowMode::Document;
    require(fits, &task.key("data.rows"), "must be \"document\" for pairs, or be left out")?;
    let clean = data.clean.check();
    clean.map_err(|error| Problem::new(&task.key("data.clean"), error.to_string()))
}

fn model(config: &RunConfig) -> Result<(), Problem> {
    let ModelChoice::New { config: model, init } = &config.model else { return Ok(()) };
    // Whatever else is wrong is told of where the model is built.
    let checked = sst_models::check_config(&Value::Object(model.clone()));
    if let Err(ModelError::Config { path, message }) = checked {
        return Err(section::problem("model", &path, &message));
    }
    let number = |key: &str| model.get(key).and_then(Value::as_u64);
    if let Some(limit) = number("max_position_embeddings") {
        for task in &config.tasks.list {
            let length = task.data.max_length;
            let message = format!(
                "is {length}, but the model has {limit} positions: lower it, or raise \
                 model.max_position_embeddings"
            );
            require(length as u64 <= limit, &task.key("data.max_length"), message)?;
        }
    }
    for (key, value) in [("amplitude", init.amplitude), ("attention_std", init.attention_std)] {
        let fits = value.is_none_or(|value| value > 0.0);
        require(fits, &format!("model.init.{key}"), "must be above 0")?;
    }
    let fits = init.base.is_none_or(|base| base > 1.0);
    require(fits, "model.init.base", "must be above 1")?;
    Ok(())
}

fn train(train: &Train) -> Result<(), Problem> {
    let Train { optimizer, schedule, .. } = train;
    train.batching.check()?;
    train.engine.check()?;
    let can_be_bf16 = matches!(train.precision, PrecisionChoice::Auto | PrecisionChoice::Bf16);
    let fits = !train.engine.bf16_weights || can_be_bf16;
    require(fits, "train.bf16_weights", "is for train.precision = \"bf16\" or \"auto\"")?;
    require(!train.steps.is_zero(), "train.steps", "is zero: there would be nothing to do")?;
    let whole = !matches!(train.steps, Duration::Run(_));
    require(whole, "train.steps", "cannot be a share of the run: give it in step, epoch or tok")?;
    require(!train.log_every.is_zero(), "train.log_every", "must be at least one step")?;
    let clip = train.max_grad_norm;
    require(clip >= 0.0, "train.max_grad_norm", "must be above 0, or 0 for no clipping")?;

    require(optimizer.lr > 0.0, "train.optimizer.lr", "must be above 0")?;
    let betas = optimizer.betas.iter().all(|beta| (0.0..1.0).contains(beta));
    require(betas, "train.optimizer.betas", "must each be at least 0 and below 1")?;
    require(optimizer.eps > 0.0, "train.optimizer.eps", "must be above 0")?;
    let momentum = (0.0..1.0).contains(&optimizer.momentum);
    require(momentum, "train.optimizer.momentum", "must be at least 0 and below 1")?;
    require(optimizer.layer_decay > 0.0, "train.optimizer.layer_decay", "must be above 0")?;
    require(optimizer.weight_decay >= 0.0, "train.optimizer.weight_decay", "must be at least 0")?;

    let wsd = schedule.name == ScheduleName::Wsd;
    let message = "is for name = \"wsd\"; the others decay all the way or not at all";
    require(wsd || schedule.cooldown.is_zero(), "train.schedule.cooldown", message)?;
    let factor = (0.0..=1.0).contains(&schedule.min_lr_factor);
    require(factor, "train.schedule.min_lr_factor", "must be from 0 to 1")?;
    if let (Duration::Steps(warmup), Duration::Steps(steps)) = (schedule.warmup, train.steps) {
        let message = format!("is {warmup} steps, more than train.steps ({steps})");
        require(warmup <= steps, "train.schedule.warmup", message)?;
    }
    Ok(())
}
