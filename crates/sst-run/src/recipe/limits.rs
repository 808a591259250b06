//! The allowed range of every number in a recipe.
//!
//! The limits catch typing errors that would need endless memory or time. They are far above values in use anywhere,
//! and can be raised. The limits of a key stand in the file of its section, and those of an objective's keys in
//! sst-objectives. Products of several keys are limited too.

use serde_json::{Number, Value};

use super::duration::Duration;
use super::error::Problem;
use super::{RunConfig, SECTIONS, objective};

/// The largest number of steps of a run.
pub(crate) const MOST_STEPS: u64 = 1_000_000_000;
/// The largest number of tokens per update: the largest models are trained with some 60 million.
pub(super) const MOST_TOKENS_PER_STEP: u64 = 1 << 26;
/// The largest number of tokens of a row, and of a pack.
pub(super) const MOST_LENGTH: f64 = 1_048_576.0;
/// The largest number of rows or packs per update.
pub(super) const MOST_ROWS: f64 = 4_194_304.0;
/// The largest token id.
pub(super) const MOST_TOKENS: f64 = 4_194_304.0;
/// The largest hidden size.
pub(super) const MOST_WIDTH: f64 = 65_536.0;
/// The limit of counts that need no memory.
pub(super) const MOST_COUNT: f64 = 1e15;
/// The limit of real numbers without a range of their own.
pub(super) const MOST_REAL: f64 = 1e12;

/// Checks that every number, and products of some numbers, are in range.
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
    config.model.check_size()
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
    // So is that of a tower of a dual encoder, `model.text_config.KEY`.
    if let ["model", "text_config" | "vision_config", _] = names[..] {
        names.remove(1);
    }
    if let ["objective", key] = names[..] {
        return objective::limit(key);
    }
    let fits = |pattern: &str| {
        let parts = pattern.split('.').chain(std::iter::repeat_n("", names.len()));
        pattern.split('.').count() == names.len()
            && parts.zip(&names).all(|(part, name)| part == "*" || part == *name)
    };
    let mut all = SECTIONS.iter().flat_map(|keys| keys.limits);
    all.find(|(pattern, ..)| fits(pattern)).map(|(_, least, most)| (*least, *most))
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

/// Durations are strings in a recipe.
fn durations(config: &RunConfig) -> Result<(), Problem> {
    for (key, duration) in SECTIONS.iter().flat_map(|keys| (keys.durations)(config)) {
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

/// The number of tokens per update.
fn step(config: &RunConfig) -> Result<(), Problem> {
    let (key, tokens) = config.train.batching.most_tokens(config.tasks.max_length() as u64);
    if tokens <= MOST_TOKENS_PER_STEP {
        return Ok(());
    }
    let message = format!(
        "makes an update of up to {tokens} tokens, more than {MOST_TOKENS_PER_STEP}: lower it, or data.max_length"
    );
    Err(Problem::new(key, message))
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
        assert_eq!(limit("model.text_config.n_layer"), limit("model.n_layer"));
        assert_eq!(limit("mixture.schedule[2].weights.any"), Some((0.0, MOST_REAL)));
        assert_eq!(limit("data.workers.x"), None);
    }
}
