//! Fills in what a recipe leaves out. Every default stands here, or in the type it belongs to.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sst_data::read::{OnError, require_readable};
use sst_data::rows::RowMode;
use sst_models::{InitOptions, Positions, Queries};
use sst_train::{Decay, PrecisionChoice, ScheduleName};

use super::batching::Batching;
use super::config::{Data, ModelChoice, RunConfig, RunSection, Schedule, TokenizerChoice, Train};
use super::duration::Duration;
use super::engine::Engine;
use super::error::Problem;
use super::file::{DataFile, RecipeFile, ScheduleFile, TokenizerFile, TrainFile};
use super::nearest::nearest;
use super::section;
use super::task::{MixtureFile, Task, TaskFile, Tasks, task_key};

/// Keys of a model that follow from the tokenizer where the recipe does not give them. They stand last,
/// so that a resolved recipe has one order.
pub(crate) const FROM_TOKENIZER: [&str; 4] =
    ["vocab_size", "pad_token_id", "bos_token_id", "eos_token_id"];

/// `[model]` with a `path`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FolderFile {
    path: String,
    allow_missing: Vec<String>,
    allow_unexpected: Vec<String>,
    config: Map<String, Value>,
}

/// The configuration of `file`; `stem` names a run that has no name.
pub(super) fn fill(file: RecipeFile, stem: &str) -> Result<RunConfig, Problem> {
    let run = RunSection {
        name: file.run.name.unwrap_or_else(|| stem.to_owned()),
        dir: file.run.dir.unwrap_or_else(|| "runs".to_owned()),
        seed: file.run.seed.unwrap_or(0),
        device: file.run.device.unwrap_or_else(|| "auto".to_owned()),
        threads: file.run.threads.unwrap_or(0),
    };
    let model = model(&file.model)?;
    let shared = TaskFile {
        weight: None,
        data: file.data,
        objective: Some(file.objective),
        curriculum: file.curriculum,
    };
    let tasks = tasks(&shared, file.tasks, file.mixture, positions_of(&model)?)?;
    let train = train(file.train, tasks.max_length())?;
    Ok(RunConfig { run, tasks, tokenizer: tokenizer(file.tokenizer)?, model, train })
}

/// The tasks of `[tasks.NAME]`, which take from `shared` what they do not say; without any, `shared` is
/// the only one.
fn tasks(
    shared: &TaskFile,
    named: BTreeMap<String, TaskFile>,
    mixture: Option<MixtureFile>,
    positions: Option<usize>,
) -> Result<Tasks, Problem> {
    if named.is_empty() {
        return match mixture {
            None => Ok(Tasks { list: vec![task("", shared.clone(), positions)?], mixture: None }),
            Some(_) => {
                let message = "is for several tasks: describe each in a section [tasks.NAME]";
                Err(Problem::new("mixture", message))
            }
        };
    }
    let own = |(name, file): (String, TaskFile)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(plain) {
            let message =
                "is no name for a task: begin with a letter, then letters, digits, - and _";
            return Err(Problem::new(&format!("tasks.{name}"), message));
        }
        let mut data = Value::Object(shared.data.clone());
        put_on(&mut data, &Value::Object(file.data));
        let data = data.as_object().cloned().unwrap_or_default();
        let objective = file.objective.or_else(|| shared.objective.clone());
        let curriculum = file.curriculum.or_else(|| shared.curriculum.clone());
        task(&name, TaskFile { weight: file.weight, data, objective, curriculum }, positions)
    };
    let list = named.into_iter().map(own).collect::<Result<_, _>>()?;
    Tasks::several(mixture.unwrap_or_default(), list)
}

/// Puts the values of `over` on those of `base`, section by section.
fn put_on(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                put_on(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

fn task(name: &str, file: TaskFile, positions: Option<usize>) -> Result<Task, Problem> {
    let section = |section: &str| task_key(name, section);
    let data_file = section::parse(&section("data"), &Value::Object(file.data))?;
    let curriculum = file.curriculum.map(|file| file.fill(&section("curriculum")));
    Ok(Task {
        name: name.to_owned(),
        weight: file.weight,
        data: data(&section("data"), data_file, positions)?,
        objective: objective(&section("objective"), &file.objective.unwrap_or_default())?,
        curriculum: curriculum.transpose()?,
    })
}

fn data(section: &str, file: DataFile, positions: Option<usize>) -> Result<Data, Problem> {
    let Some(max_length) = file.max_length.or(positions) else {
        let key = format!("{section}.max_length");
        return Err(Problem::new(&key, "is missing, and the model has no limit"));
    };
    let is_grouped = !file.pair_fields.is_empty();
    Ok(Data {
        paths: file.paths,
        format: file.format,
        text_field: file.text_field.unwrap_or_else(|| "text".to_owned()),
        score_field: file.score_field,
        pair_fields: file.pair_fields,
        on_error: file.on_error.unwrap_or(OnError::Fail),
        validation: file.validation.unwrap_or(0.02),
        rows: file.rows.unwrap_or(if is_grouped { RowMode::Document } else { RowMode::Chunk }),
        max_length,
        cache: file.cache.unwrap_or_default(),
        workers: file.workers.unwrap_or(2),
        clean: file.clean,
    })
}

fn tokenizer(file: TokenizerFile) -> Result<TokenizerChoice, Problem> {
    match (file.path, file.train) {
        (Some(path), None) => Ok(TokenizerChoice::Path(path)),
        (None, Some(train)) => Ok(TokenizerChoice::Train(train)),
        (None, None) => Err(Problem::new(
            "tokenizer",
            "say which one with path = \"FOLDER\", or train one with [tokenizer.train]",
        )),
        (Some(_), Some(_)) => Err(Problem::new(
            "tokenizer",
            "has both path and train: remove one, for a tokenizer is either loaded or trained",
        )),
    }
}

fn model(given: &Map<String, Value>) -> Result<ModelChoice, Problem> {
    if given.contains_key("path") {
        if let Some(key) = ["type", "init"].into_iter().find(|key| given.contains_key(*key)) {
            let key = format!("model.{key}");
            return Err(Problem::new(&key, "has no place beside model.path, which says it all"));
        }
        let file: FolderFile = section::parse("model", &Value::Object(given.clone()))?;
        let FolderFile { path, allow_missing, allow_unexpected, config } = file;
        return Ok(ModelChoice::Folder { path, allow_missing, allow_unexpected, config });
    }
    let known = || sst_models::list().iter().map(|entry| entry.model_type);
    let name = name("model.type", given.get("type").unwrap_or(&json!("bert")), known())?;
    let Some(entry) = sst_models::list().iter().find(|entry| entry.model_type == name) else {
        return Err(unknown_name("model.type", &name, known()));
    };
    let keys = without(given, &["type", "init"]);
    let defaults = (entry.default_config)();
    section::check_against("model", &keys, &defaults)?;
    let mut config = Map::from_iter([("model_type".to_owned(), json!(name))]);
    let of_tokenizer = |key: &str| FROM_TOKENIZER.contains(&key);
    for (key, default) in defaults.as_object().into_iter().flatten() {
        if key != "model_type" && !of_tokenizer(key) {
            config.insert(key.clone(), keys.get(key).unwrap_or(default).clone());
        }
    }
    let given_here = FROM_TOKENIZER.iter().filter_map(|key| keys.get_key_value(*key));
    config.extend(given_here.map(|(key, value)| (key.clone(), value.clone())));
    let init = given.get("init").map(|value| section::parse::<InitOptions>("model.init", value));
    Ok(ModelChoice::New { config, init: init_options(init.transpose()?.unwrap_or_default())? })
}

/// Fills in what applies, and refuses what does not.
fn init_options(given: InitOptions) -> Result<InitOptions, Problem> {
    let sinusoid = given.positions == Positions::Sinusoid;
    let alike = given.attention == Queries::Alike;
    let fill = |key: &str, value: Option<f64>, applies: bool, default: f64, what: &str| match (
        applies, value,
    ) {
        (true, value) => Ok(Some(value.unwrap_or(default))),
        (false, None) => Ok(None),
        (false, Some(_)) => {
            let message = format!("is for {what}; the others have initializer_range");
            Err(Problem::new(&format!("model.init.{key}"), message))
        }
    };
    let (positions, attention) = ("positions = \"sinusoid\"", "attention = \"alike\"");
    let InitOptions { amplitude, base, attention_std, .. } = given;
    Ok(InitOptions {
        amplitude: fill("amplitude", amplitude, sinusoid, InitOptions::AMPLITUDE, positions)?,
        base: fill("base", base, sinusoid, InitOptions::BASE, positions)?,
        attention_std: fill(
            "attention_std",
            attention_std,
            alike,
            InitOptions::ATTENTION_STD,
            attention,
        )?,
        ..given
    })
}

/// The longest row that the model reads, if its configuration says so.
fn positions_of(model: &ModelChoice) -> Result<Option<usize>, Problem> {
    let limit = |config: &Value| {
        config.get("max_position_embeddings").and_then(Value::as_u64).map(|limit| limit as usize)
    };
    match model {
        ModelChoice::New { config, .. } => Ok(limit(&Value::Object(config.clone()))),
        ModelChoice::Folder { path, .. } => {
            if !Path::new(path).exists() {
                return Err(Problem::new("model.path", format!("{path} does not exist")));
            }
            let file = Path::new(path).join("config.json");
            let text = require_readable(&file).and_then(|()| std::fs::read_to_string(&file));
            let text = text.map_err(|error| {
                Problem::new("model.path", format!("cannot read {}: {error}", file.display()))
            })?;
            let config = serde_json::from_str(&text).map_err(|error| {
                Problem::new("model.path", format!("{} is not JSON: {error}", file.display()))
            })?;
            Ok(limit(&config))
        }
    }
}

fn objective(section: &str, given: &Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    let key = format!("{section}.name");
    let known = || sst_objectives::list().iter().map(|entry| entry.name);
    let Some(name_given) = given.get("name") else {
        let all: Vec<&str> = known().collect();
        let message = format!("is missing: there are {}", all.join(", "));
        return Err(Problem::new(&key, message));
    };
    let name = name(&key, name_given, known())?;
    let Some(entry) = sst_objectives::list().iter().find(|entry| entry.name == name) else {
        return Err(unknown_name(&key, &name, known()));
    };
    let keys = without(given, &["name"]);
    let defaults = (entry.default_config)();
    section::check_against(section, &keys, &defaults)?;
    let mut config = Map::from_iter([("name".to_owned(), json!(name))]);
    if let Value::Object(defaults) = defaults {
        config.extend(defaults);
    }
    config.extend(keys);
    Ok(config)
}

fn train(file: TrainFile, max_length: usize) -> Result<Train, Problem> {
    let Some(steps) = file.steps else {
        let message = "is missing: say how long to train, as in \"1500step\" or \"3epoch\"";
        return Err(Problem::new("train.steps", message));
    };
    Ok(Train {
        steps,
        batching: Batching::fill(&file, max_length)?,
        length_warmup: file.length_warmup,
        padding_free: file.padding_free.unwrap_or(true),
        precision: file.precision.unwrap_or(PrecisionChoice::Auto),
        max_grad_norm: file.max_grad_norm.unwrap_or(1.0),
        log_every: file.log_every.unwrap_or(Duration::Steps(10)),
        eval_every: file.eval_every.unwrap_or(Duration::Run(0.1)),
        save_every: file.save_every.unwrap_or(Duration::Run(0.1)),
        engine: Engine::fill(&file),
        optimizer: file.optimizer,
        schedule: schedule(file.schedule),
    })
}

fn schedule(file: ScheduleFile) -> Schedule {
    let name = file.name.unwrap_or(ScheduleName::Linear);
    let cooldown = if name == ScheduleName::Wsd { Duration::Run(0.1) } else { Duration::ZERO };
    Schedule {
        name,
        warmup: file.warmup.unwrap_or(Duration::Run(0.06)),
        cooldown: file.cooldown.unwrap_or(cooldown),
        cooldown_shape: file.cooldown_shape.unwrap_or(Decay::Linear),
        min_lr_factor: file.min_lr_factor.unwrap_or(0.0),
    }
}

fn without(table: &Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
    let kept = table.iter().filter(|(key, _)| !keys.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn name<'a>(
    key: &str,
    value: &Value,
    known: impl Iterator<Item = &'a str>,
) -> Result<String, Problem> {
    value.as_str().map(str::to_owned).ok_or_else(|| {
        let all: Vec<&str> = known.collect();
        Problem::new(key, format!("expected one of {} in quotes", all.join(", ")))
    })
}

fn unknown_name<'a>(key: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Problem {
    let known: Vec<&str> = known.collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => {
            Problem::new(key, format!("there is no \"{name}\"; did you mean \"{near}\"?"))
        }
        None => Problem::new(key, format!("there is no \"{name}\"; sst has {}", known.join(", "))),
    }
}
