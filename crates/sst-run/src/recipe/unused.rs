//! Keys of a recipe that have no effect beside its other keys.
//!
//! What contradicts itself is an error elsewhere. These keys are only idle: they would matter if another key
//! were different, and whoever wrote them most likely thinks that they do.

use serde_json::{Value, json};
use sst_data::curriculum::Difficulty;
use sst_data::tokenize::Algorithm;
use sst_data::{Unused, UnusedKind};
use sst_train::{LossScaling, OptimizerConfig, OptimizerName, PrecisionChoice, ScheduleName};

use super::config::{RunConfig, TokenizerChoice};
use super::task::Task;
use super::written::Written;

/// A key that is idle, its default, and what it is for.
type Idle = (&'static str, Value, &'static str);

/// The keys that were written with another value than their default and change nothing, each with its place and
/// the reason.
pub(crate) fn unused(config: &RunConfig, written: &Written) -> Unused {
    let mut unused = Unused::new();
    for (key, default, why) in idle(config) {
        add(&mut unused, written, key, &default, why);
    }
    let tasks = &config.tasks.list;
    for (key, is_own) in [("objective", true), ("curriculum", false)] {
        // Every task has its own, so that the shared one stands for nothing.
        let has_own = |task: &Task| written.get(&task.key(key)).is_some();
        if config.tasks.mixture.is_some() && tasks.iter().all(has_own) {
            let why =
                if is_own { "every task has its own objective" } else { "every task has its own" };
            add(&mut unused, written, key, &Value::Null, why);
        }
    }
    for task in tasks {
        for (key, default, why) in idle_in(task) {
            let own = task.key(key);
            let shared = !task.name.is_empty() && written.get(&own).is_none();
            let idle_in_all =
                || tasks.iter().all(|t| idle_in(t).iter().any(|(other, ..)| *other == key));
            match shared {
                false => add(&mut unused, written, &own, &default, why),
                true if idle_in_all() => add(&mut unused, written, key, &default, why),
                true => {}
            }
        }
    }
    unused
}

fn add(unused: &mut Unused, written: &Written, key: &str, default: &Value, why: &str) {
    let Some(value) = written.get(key) else { return };
    let same = value == default || value.as_f64().is_some() && value.as_f64() == default.as_f64();
    if !same {
        let place = written.place(key);
        unused.add(UnusedKind::ConfigKey, format!("{place}: {key} ({why})"));
    }
}

/// Keys of the whole run.
fn idle(config: &RunConfig) -> Vec<Idle> {
    let (train, mut found) = (&config.train, Vec::<Idle>::new());
    if train.optimizer.name == OptimizerName::AdamW {
        let default = OptimizerConfig::default();
        let why = "is for name = \"muon\"";
        found.push(("train.optimizer.momentum", json!(default.momentum), why));
        found.push(("train.optimizer.iterations", json!(default.iterations), why));
    }
    if train.schedule.name != ScheduleName::Wsd {
        found.push(("train.schedule.cooldown_shape", json!("linear"), "is for name = \"wsd\""));
    }
    if train.schedule.name == ScheduleName::Constant {
        found.push(("train.schedule.min_lr_factor", json!(0.0), "the rate does not decay"));
    }
    if matches!(train.precision, PrecisionChoice::Bf16 | PrecisionChoice::Fp32) {
        let LossScaling { init_scale, growth_factor, backoff_factor, growth_interval } =
            LossScaling::default();
        let why = "is for train.precision = \"fp16\"";
        found.push(("train.loss_scaling.init_scale", json!(init_scale), why));
        found.push(("train.loss_scaling.growth_factor", json!(growth_factor), why));
        found.push(("train.loss_scaling.backoff_factor", json!(backoff_factor), why));
        found.push(("train.loss_scaling.growth_interval", json!(growth_interval), why));
    }
    if config.run.device == "cpu" {
        found.push(("train.allow_tf32", json!(false), "is for GPUs"));
    }
    if train.engine.keep.last == 0 {
        let why = "train.keep.last = 0 keeps all checkpoints";
        found.push(("train.keep.best", json!(1), why));
        found.push(("train.keep.every", json!("0step"), why));
    }
    if train.engine.inject.out_of_memory_at == 0 {
        let why = "is for train.inject.out_of_memory_at";
        found.push(("train.inject.memory_rows", json!(0), why));
    }
    if config.tasks.list.iter().all(|task| task.data.validation == 0.0) {
        let why = "data.validation = 0 leaves nothing to evaluate on";
        found.push(("train.eval_every", json!("0.1run"), why));
    }
    if let TokenizerChoice::Train(train) = &config.tokenizer
        && train.algorithm == Algorithm::Bpe
    {
        let why = "the alphabet of BPE is the bytes";
        found.push(("tokenizer.train.limit_alphabet", Value::Null, why));
    }
    found
}

/// Keys of a task.
fn idle_in(task: &Task) -> Vec<Idle> {
    let mut found = Vec::<Idle>::new();
    let spans = task.objective.get("unit").is_none_or(|unit| unit == "span");
    if task.objective_name() == "mlm" && !spans {
        let why = "is for unit = \"span\"";
        found.push(("objective.span_p", json!(0.2), why));
        found.push(("objective.max_span", json!(10), why));
    }
    let by_score = |difficulty: Difficulty| difficulty == Difficulty::Score;
    if !task.curriculum.as_ref().is_some_and(|curriculum| by_score(curriculum.difficulty)) {
        let why = "is for curriculum.difficulty = \"score\"";
        found.push(("data.score_field", Value::Null, why));
    }
    found
}
