//! Checks across keys. Each names the key to change.

use std::path::Path;

use serde_json::Value;
use sst_data::rows::RowMode;
use sst_train::{PrecisionChoice, ScheduleName};

use super::config::{ModelChoice, RunConfig, TokenizerChoice, Train};
use super::duration::Duration;
use super::engine::Checkpointing;
use super::error::Problem;
use super::task::Task;
use crate::device;

/// Refuses what cannot run, as far as it can be told before any data is read.
pub(super) fn check(config: &RunConfig) -> Result<(), Problem> {
    run(config)?;
    config.tasks.list.iter().try_for_each(data)?;
    if let TokenizerChoice::Path(path) = &config.tokenizer {
        require(Path::new(path).exists(), "tokenizer.path", format!("{path} does not exist"))?;
    }
    model(config)?;
    config.tasks.list.iter().try_for_each(|task| chunks(task, &config.train))?;
    train(&config.train)
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
    let plain =
        !name.is_empty() && !name.contains(['/', '\\']) && !matches!(name.as_str(), "." | "..");
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
