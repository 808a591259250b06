//! Keys of a recipe that have no effect beside its other keys.
//!
//! What contradicts itself is an error elsewhere. These keys are only idle: they would matter if another key
//! were different, and whoever wrote them most likely thinks that they do. Each section lists its own.

use serde_json::Value;
use sst_data::{Unused, UnusedKind};

use super::task::Task;
use super::written::Written;
use super::{Idle, RunConfig, SECTIONS};

/// The keys that were written with another value than their default and change nothing, each with its place and
/// the reason.
pub(crate) fn unused(config: &RunConfig, written: &Written) -> Unused {
    let mut unused = Unused::new();
    for (key, default, why) in idle(config) {
        add(&mut unused, written, &key, &default, why);
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
            let task_key = task.key(&key);
            let shared = !task.name.is_empty() && written.get(&task_key).is_none();
            let idle_in_all =
                || tasks.iter().all(|t| idle_in(t).iter().any(|(other, ..)| *other == key));
            match shared {
                false => add(&mut unused, written, &task_key, &default, why),
                true if idle_in_all() => add(&mut unused, written, &key, &default, why),
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
    SECTIONS.iter().flat_map(|keys| (keys.idle)(config)).collect()
}

/// Keys of a task.
fn idle_in(task: &Task) -> Vec<Idle> {
    SECTIONS.iter().flat_map(|keys| (keys.idle_in_task)(task)).collect()
}
