//! Checks that involve several sections. Each error names the key to change.

use serde_json::Value;
use sst_data::RowSpec;
use sst_objectives::ObjectiveError;
use sst_train::PrecisionChoice;

use super::RunConfig;
use super::duration::Duration;
use super::error::{Problem, require};
use super::image::ImageSection;
use super::limits;
use super::model::{ModelChoice, POSITIONS, TEXT_CONFIG, text_config};
use super::section;
use super::task::Task;
use super::tokenizer::TokenizerChoice;
use super::train::{self, Batching, Checkpointing, Train};

/// Makes all checks that need no data.
pub(super) fn check(config: &RunConfig) -> Result<(), Problem> {
    // The ranges of numbers come first, because the other checks compute with them.
    limits::check(config)?;
    let tasks = &config.tasks.list;
    config.run.check()?;
    tasks.iter().try_for_each(|task| {
        // An unknown objective is reported where it is built.
        let rows = task.rows().unwrap_or(RowSpec::Tokens);
        task.data.check(&|key| task.key(key), task.objective_name(), &rows)
    })?;
    config.tokenizer.as_ref().map_or(Ok(()), TokenizerChoice::check)?;
    config.image.as_ref().map_or(Ok(()), ImageSection::check)?;
    one_cache(config)?;
    config.model.check()?;
    positions(config)?;
    causal(config)?;
    tasks.iter().try_for_each(|task| objective(task, &config.train))?;
    tasks.iter().try_for_each(|task| chunks(task, &config.train))?;
    tasks.iter().try_for_each(|task| least_rows(task, &config.train))?;
    config.train.check()?;
    best(config)
}

/// Rows must not be longer than the context length of a new model.
fn positions(config: &RunConfig) -> Result<(), Problem> {
    let ModelChoice::New { config: model, .. } = &config.model else { return Ok(()) };
    let text = text_config(model);
    let number = |key: &str| text.get(key).and_then(Value::as_u64);
    let limit = POSITIONS.iter().find_map(|key| Some((key, number(key)?)));
    let Some((key, limit)) = limit else { return Ok(()) };
    let key = if model.contains_key(TEXT_CONFIG) {
        format!("{TEXT_CONFIG}.{key}")
    } else {
        (*key).to_owned()
    };
    let reads_text = |task: &&Task| task.rows().is_ok_and(|rows| rows.have_tokens());
    for task in config.tasks.list.iter().filter(reads_text) {
        let length = task.data.max_length;
        let message = format!(
            "is {length}, but the model has {limit} positions: lower it, or raise model.{key}"
        );
        require(length as u64 <= limit, &task.key("data.max_length"), message)?;
    }
    Ok(())
}

/// An objective that predicts each token from those before it needs a model whose tokens attend to no others.
fn causal(config: &RunConfig) -> Result<(), Problem> {
    let Some(model_type) = config.model.model_type() else { return Ok(()) };
    let list = sst_models::list();
    // An unknown type is reported where the model is built.
    let found = list.iter().find(|entry| entry.model_type == model_type);
    if found.is_none_or(|entry| entry.is_causal) {
        return Ok(());
    }
    let causal: Vec<&str> =
        list.iter().filter(|entry| entry.is_causal).map(|entry| entry.model_type).collect();
    let causal = causal.join(" or ");
    let remedy = match &config.model {
        ModelChoice::New { .. } => format!("set model.type to {causal}"),
        ModelChoice::Folder { .. } => format!("name the folder of a {causal} model in model.path"),
    };
    for task in &config.tasks.list {
        let name = task.objective_name();
        let needs = sst_objectives::entry(name).is_ok_and(|entry| entry.needs_causal);
        let message = format!(
            "is \"{name}\", which needs a causal model, and a {model_type} model is not causal: {remedy}, or choose \
             another objective"
        );
        require(!needs, &task.key("objective.name"), message)?;
    }
    Ok(())
}

/// All tasks of a run must use the same cache folder.
fn one_cache(config: &RunConfig) -> Result<(), Problem> {
    let mut tasks = config.tasks.list.iter();
    let Some(first) = tasks.next() else { return Ok(()) };
    let same = |task: &&Task| task.data.cache == first.data.cache;
    let message = "is another folder than that of another task: say it once, in [data]";
    tasks
        .find(|task| !same(task))
        .map_or(Ok(()), |task| Err(Problem::new(&task.key("data.cache"), message)))
}

/// Checks the keys of the objective itself, as far as no tokenizer is needed.
fn objective(task: &Task, train: &Train) -> Result<(), Problem> {
    let (name, config) = (task.objective_name(), task.objective_config());
    match &sst_objectives::check(name, &config, train.batching.padding_free) {
        Err(ObjectiveError::Config { path, message }) => {
            Err(section::problem(&task.key("objective"), path, message))
        }
        Err(error @ ObjectiveError::Needs { path, .. }) => Err(task.objective_problem(path, error)),
        // Other errors are reported where the objective is built.
        _ => Ok(()),
    }
}

/// A checkpoint can only be kept for its metric if it is evaluated at its step.
fn best(config: &RunConfig) -> Result<(), Problem> {
    let Train { eval_every, save_every, keep, steps, .. } = &config.train;
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
    train::early_stopping::check(config)?;
    train::online_eval::check(config)?;
    let message = "needs the best checkpoint: set train.keep.best to 1 or more";
    require(!keep.restore_best || keep.best > 0, "train.keep.restore_best", message)?;
    // Either all checkpoints are kept, or none is kept for its metric.
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

/// Checks that every evaluated step is saved; otherwise the best one could not be kept.
pub(crate) fn misses(eval: u64, save: u64, steps: Option<u64>) -> Result<(), Problem> {
    // The last step is always evaluated and saved.
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

/// An objective that compares the rows of a step needs several.
fn least_rows(task: &Task, train: &Train) -> Result<(), Problem> {
    let Batching::Rows { batch_size, .. } = &train.batching.rule else { return Ok(()) };
    let name = task.objective_name();
    let least = sst_objectives::entry(name).map_or(1, |entry| entry.least_rows);
    let message = format!(
        "is {batch_size}, but `{name}` compares each row with the others of its step: raise it to {least} or more"
    );
    require(*batch_size >= least, "train.batch_size", message)
}

/// Contrastive losses in chunks run their own backward passes, which excludes some settings of the trainer.
fn chunks(task: &Task, train: &Train) -> Result<(), Problem> {
    let rows = task.objective_config().get("chunk_rows").and_then(Value::as_u64).unwrap_or(0);
    let key = task.key("objective.chunk_rows");
    let whole = rows == 0 || train.activation_checkpointing == Checkpointing::All(false);
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
