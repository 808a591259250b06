//! What each number of a recipe may be.
//!
//! The limits keep a slip of a digit from taking memory or time without end: they lie well above what is in
//! use anywhere, and whoever needs more raises them here. What several keys make together is bounded too.

use serde_json::{Number, Value};

use super::batching::Batching;
use super::config::{ModelChoice, RunConfig};
use super::duration::Duration;
use super::error::Problem;

/// Steps of a run.
pub(crate) const MOST_STEPS: u64 = 1_000_000_000;
/// Tokens of one update: the largest models are trained with some 60 million.
const MOST_TOKENS_PER_STEP: u64 = 1 << 26;
/// Tokens of a row, and of a pack.
const MOST_LENGTH: f64 = 1_048_576.0;
/// Rows, or packs, of one update.
const MOST_ROWS: f64 = 4_194_304.0;
/// Parameters of a new model: 400 GB in fp32.
const MOST_PARAMETERS: f64 = 1e11;
/// Token ids.
const MOST_TOKENS: f64 = 4_194_304.0;
/// The width of a vector.
const MOST_WIDTH: f64 = 65_536.0;
/// Heads, and their width.
const MOST_HEADS: f64 = 65_536.0;
/// Layers.
const MOST_LAYERS: f64 = 1_024.0;
/// Positions that a model reads; those of Llama 4 are 10 million.
const MOST_POSITIONS: f64 = 16_777_216.0;
/// Threads of a process.
pub(crate) const MOST_THREADS: usize = 1_024;
/// Threads that make batches.
const MOST_WORKERS: f64 = 256.0;
/// Counts that cost nothing.
const MOST_COUNT: f64 = 1e15;
/// Real numbers that nothing is known of.
const MOST_REAL: f64 = 1e12;

/// The keys with their least and most, without `tasks.NAME.` and the numbers of list items. `*` is any name.
const LIMITS: &[(&str, f64, f64)] = &[
    ("run.seed", 0.0, f64::MAX),
    ("run.threads", 0.0, MOST_THREADS as f64),
    ("data.validation", 0.0, 1.0),
    ("data.max_length", 1.0, MOST_LENGTH),
    ("data.workers", 0.0, MOST_WORKERS),
    ("data.clean.min_length", 0.0, MOST_COUNT),
    ("data.clean.max_length", 0.0, MOST_COUNT),
    ("tokenizer.train.vocab_size", 1.0, MOST_TOKENS),
    ("tokenizer.train.min_frequency", 0.0, MOST_COUNT),
    ("tokenizer.train.limit_alphabet", 0.0, 1_114_112.0),
    ("model.vocab_size", 1.0, MOST_TOKENS),
    ("model.hidden_size", 1.0, MOST_WIDTH),
    ("model.n_embd", 1.0, MOST_WIDTH),
    ("model.intermediate_size", 1.0, 16.0 * MOST_WIDTH),
    ("model.n_inner", 1.0, 16.0 * MOST_WIDTH),
    ("model.num_hidden_layers", 1.0, MOST_LAYERS),
    ("model.n_layer", 1.0, MOST_LAYERS),
    ("model.num_attention_heads", 1.0, MOST_HEADS),
    ("model.num_key_value_heads", 1.0, MOST_HEADS),
    ("model.n_head", 1.0, MOST_HEADS),
    ("model.head_dim", 1.0, MOST_HEADS),
    ("model.max_position_embeddings", 1.0, MOST_POSITIONS),
    ("model.n_positions", 1.0, MOST_POSITIONS),
    ("model.type_vocab_size", 1.0, MOST_WIDTH),
    ("model.hidden_dropout_prob", 0.0, 1.0),
    ("model.attention_probs_dropout_prob", 0.0, 1.0),
    ("model.attention_dropout", 0.0, 1.0),
    ("model.resid_pdrop", 0.0, 1.0),
    ("model.embd_pdrop", 0.0, 1.0),
    ("model.attn_pdrop", 0.0, 1.0),
    ("model.initializer_range", 0.0, 1e3),
    ("model.layer_norm_eps", 0.0, 1.0),
    ("model.layer_norm_epsilon", 0.0, 1.0),
    ("model.rms_norm_eps", 0.0, 1.0),
    ("model.pad_token_id", 0.0, MOST_TOKENS),
    ("model.bos_token_id", 0.0, MOST_TOKENS),
    ("model.eos_token_id", 0.0, MOST_TOKENS),
    ("model.rope_theta", 1e-3, MOST_REAL),
    ("model.init.amplitude", 0.0, 1e3),
    ("model.init.base", 1.0, MOST_REAL),
    ("model.init.attention_std", 0.0, 1e3),
    ("objective.mask_rate", 0.0, 1.0),
    ("objective.replace_mask", 0.0, 1.0),
    ("objective.replace_random", 0.0, 1.0),
    ("objective.span_p", 0.0, 1.0),
    ("objective.max_span", 1.0, 1_000.0),
    ("objective.z_loss", 0.0, 1e6),
    ("objective.logits_at_once", 0.0, MOST_COUNT),
    ("objective.temperature", 0.0, 1e6),
    ("objective.projection_size", 0.0, MOST_WIDTH),
    ("objective.chunk_rows", 0.0, MOST_ROWS),
    ("objective.crop", 0.0, 1.0),
    ("objective.delete", 0.0, 1.0),
    ("objective.mask", 0.0, 1.0),
    ("objective.swap", 0.0, 1.0),
    ("objective.momentum", 0.0, 1.0),
    ("objective.queue_size", 1.0, MOST_ROWS),
    ("objective.negative_weight", 0.0, 1e6),
    ("curriculum.start", 0.0, 1.0),
    ("curriculum.steps", 0.0, MOST_STEPS as f64),
    ("mixture.temperature", 0.0, 1e6),
    ("mixture.schedule.weights.*", 0.0, MOST_REAL),
    ("weight", 0.0, MOST_REAL),
    ("train.batch_size", 1.0, MOST_ROWS),
    ("train.micro_batch_size", 1.0, MOST_ROWS),
    ("train.max_tokens", 1.0, MOST_TOKENS_PER_STEP as f64),
    ("train.micro_max_tokens", 1.0, MOST_TOKENS_PER_STEP as f64),
    ("train.pack_length", 1.0, MOST_LENGTH),
    ("train.packs_per_step", 1.0, MOST_ROWS),
    ("train.micro_packs", 1.0, MOST_ROWS),
    ("train.window", 1.0, 16_777_216.0),
    ("train.batch_warmup.from", 1.0, MOST_ROWS),
    ("train.length_warmup.from", 1.0, MOST_LENGTH),
    ("train.length_warmup.multiple_of", 1.0, MOST_LENGTH),
    ("train.max_grad_norm", 0.0, MOST_REAL),
    ("train.activation_checkpointing", 0.0, MOST_LAYERS),
    ("train.loss_scaling.init_scale", 1e-6, 1e30),
    ("train.loss_scaling.growth_factor", 1.0, 1e6),
    ("train.loss_scaling.backoff_factor", 0.0, 1.0),
    ("train.loss_scaling.growth_interval", 1.0, MOST_COUNT),
    ("train.ema.decay", 0.0, 1.0),
    ("train.budget.tokens", 1.0, MOST_COUNT),
    ("train.budget.seconds", 0.0, MOST_COUNT),
    ("train.keep.last", 0.0, MOST_COUNT),
    ("train.keep.best", 0.0, 1e6),
    ("train.inject.nan_at", 0.0, MOST_COUNT),
    ("train.inject.overflow_at", 0.0, MOST_COUNT),
    ("train.inject.out_of_memory_at", 0.0, MOST_COUNT),
    ("train.inject.memory_rows", 0.0, MOST_COUNT),
    ("train.optimizer.lr", 0.0, 1e6),
    ("train.optimizer.betas", 0.0, 1.0),
    ("train.optimizer.eps", 0.0, 1e3),
    ("train.optimizer.weight_decay", 0.0, 1e3),
    ("train.optimizer.momentum", 0.0, 1.0),
    ("train.optimizer.iterations", 1.0, 100.0),
    ("train.optimizer.layer_decay", 0.0, 1.0),
    ("train.schedule.min_lr_factor", 0.0, 1.0),
];

/// Refuses numbers that are out of their range, alone or together.
pub(super) fn check(config: &RunConfig) -> Result<(), Problem> {
    let all = config.to_json().map_err(|error| Problem::new("", error.to_string()))?;
    walk("", &all, &mut |key, value| {
        let (least, most) = limit(key).unwrap_or((-MOST_REAL, MOST_REAL));
        match (least..=most).contains(&real(value)) {
            true => Ok(()),
            false => {
                Err(Problem::new(key, format!("is {value} and must be {}", range(least, most))))
            }
        }
    })?;
    durations(config)?;
    step(config)?;
    parameters(&config.model)
}

fn range(least: f64, most: f64) -> String {
    match most {
        f64::MAX => format!("at least {least}"),
        _ => format!("from {least} to {most}"),
    }
}

/// The limits of `key`, such as `tasks.a.data.max_length` or `train.optimizer.betas[1]`.
fn limit(key: &str) -> Option<(f64, f64)> {
    let plain = key.strip_prefix("tasks.").and_then(|key| Some(key.split_once('.')?.1));
    let mut names: Vec<&str> = plain.unwrap_or(key).split('.').collect();
    names.iter_mut().for_each(|name| *name = name.split('[').next().unwrap_or_default());
    // `model.config.KEY`, for a model from a folder, is the same key.
    if names.starts_with(&["model", "config"]) {
        names.remove(1);
    }
    let fits = |pattern: &str| {
        let parts = pattern.split('.').chain(std::iter::repeat_n("", names.len()));
        pattern.split('.').count() == names.len()
            && parts.zip(&names).all(|(part, name)| part == "*" || part == *name)
    };
    LIMITS.iter().find(|(pattern, ..)| fits(pattern)).map(|(_, least, most)| (*least, *most))
}

/// Calls `visit` with the key and the value of each number.
fn walk(
    key: &str,
    value: &Value,
    visit: &mut dyn FnMut(&str, &Number) -> Result<(), Problem>,
) -> Result<(), Problem> {
    match value {
        Value::Object(table) => table.iter().try_for_each(|(name, value)| {
            let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            walk(&key, value, visit)
        }),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(i, value)| walk(&format!("{key}[{i}]"), value, visit))
        }
        Value::Number(number) => visit(key, number),
        _ => Ok(()),
    }
}

fn real(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::INFINITY)
}

/// Lengths of training are texts in a recipe.
fn durations(config: &RunConfig) -> Result<(), Problem> {
    let train = &config.train;
    let mut all = vec![
        ("train.steps".to_owned(), train.steps),
        ("train.log_every".to_owned(), train.log_every),
        ("train.eval_every".to_owned(), train.eval_every),
        ("train.save_every".to_owned(), train.save_every),
        ("train.keep.every".to_owned(), train.engine.keep.every),
        ("train.schedule.warmup".to_owned(), train.schedule.warmup),
        ("train.schedule.cooldown".to_owned(), train.schedule.cooldown),
    ];
    if let Batching::Rows { batch_warmup: Some(warmup), .. } = train.batching {
        all.push(("train.batch_warmup.duration".to_owned(), warmup.duration));
    }
    let warmup = train.length_warmup.map(|warmup| warmup.duration);
    all.extend(warmup.map(|duration| ("train.length_warmup.duration".to_owned(), duration)));
    for task in &config.tasks.list {
        let duration = task.curriculum.as_ref().and_then(|curriculum| curriculum.duration);
        all.extend(duration.map(|duration| (task.key("curriculum.duration"), duration)));
    }
    let stages = config.tasks.mixture.iter().flat_map(|mixing| mixing.schedule.iter().flatten());
    all.extend(stages.map(|stage| ("mixture.schedule".to_owned(), stage.from)));
    for (key, duration) in all {
        let fits = match duration {
            Duration::Steps(steps) => steps <= MOST_STEPS,
            Duration::Epochs(epochs) => epochs <= 1e6,
            Duration::Tokens(tokens) => tokens <= MOST_COUNT,
            Duration::Run(_) => true,
        };
        if !fits {
            let message =
                format!("is {duration}; at most {MOST_STEPS} steps, 1e6 epochs or 1e15 tokens");
            return Err(Problem::new(&key, message));
        }
    }
    Ok(())
}

/// Tokens of an update.
fn step(config: &RunConfig) -> Result<(), Problem> {
    let length = config.tasks.max_length() as u64;
    let (key, tokens) = match config.train.batching {
        Batching::Rows { batch_size, .. } => ("train.batch_size", batch_size as u64 * length),
        Batching::Tokens { max_tokens, .. } => ("train.max_tokens", max_tokens as u64),
        Batching::Packs { pack_length, packs_per_step, .. } => {
            ("train.packs_per_step", pack_length as u64 * packs_per_step as u64)
        }
    };
    if tokens <= MOST_TOKENS_PER_STEP {
        return Ok(());
    }
    let message = format!(
        "makes an update of up to {tokens} tokens, more than {MOST_TOKENS_PER_STEP}: lower it, or data.max_length"
    );
    Err(Problem::new(key, message))
}

/// Parameters of a new model, about: enough to tell a slip from a large model.
fn parameters(model: &ModelChoice) -> Result<(), Problem> {
    let ModelChoice::New { config, .. } = model else { return Ok(()) };
    let number = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| Some((*name, config.get(*name)?.as_f64()?)));
        found.map_or(0.0, |(_, value)| value)
    };
    let width = number(["hidden_size", "n_embd"]);
    let inner = match number(["intermediate_size", "n_inner"]) {
        0.0 => 4.0 * width,
        inner => inner,
    };
    let layers = number(["num_hidden_layers", "n_layer"]);
    let is_llama = config.get("model_type").is_some_and(|name| name == "llama");
    let heads = number(["num_attention_heads", "n_head"]) * number(["head_dim", ""]);
    let attention = 2.0 * width * (width + width.max(heads));
    // Rotary positions have no table.
    let positions = if is_llama { 0.0 } else { number(["max_position_embeddings", "n_positions"]) };
    let rows = number(["vocab_size", ""]) + positions + number(["type_vocab_size", ""]);
    let matrices = if is_llama { 3.0 } else { 2.0 };
    let count = layers * (attention + matrices * width * inner) + rows * width;
    if count <= MOST_PARAMETERS {
        return Ok(());
    }
    let message = format!("is of about {count:.1e} parameters, more than {MOST_PARAMETERS:.0e}");
    Err(Problem::sentence("model", format!("model: the model that it describes {message}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_that_a_model_or_an_objective_has_is_limited() {
        let check = |section: &str, defaults: Value| {
            walk(section, &defaults, &mut |key, value| {
                let (least, most) = limit(key).unwrap_or_else(|| panic!("{key} has no limits"));
                assert!((least..=most).contains(&real(value)), "{key} is {value} by default");
                Ok(())
            })
            .unwrap();
        };
        sst_models::list().iter().for_each(|entry| check("model", (entry.default_config)()));
        sst_objectives::list()
            .iter()
            .for_each(|entry| check("objective", (entry.default_config)()));
    }

    #[test]
    fn keys_of_tasks_lists_and_folders_are_found() {
        assert_eq!(limit("tasks.a.data.workers"), limit("data.workers"));
        assert_eq!(limit("tasks.a.weight"), limit("weight"));
        assert_eq!(limit("train.optimizer.betas[1]"), Some((0.0, 1.0)));
        assert_eq!(limit("model.config.n_layer"), limit("model.n_layer"));
        assert_eq!(limit("mixture.schedule[2].weights.any"), Some((0.0, MOST_REAL)));
        assert_eq!(limit("data.workers.x"), None);
    }
}
