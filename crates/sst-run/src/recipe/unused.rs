//! Finds keys of a recipe that have no effect because of its other keys.
//!
//! Contradictory keys are errors elsewhere. The keys here are idle: they would have an effect if another key had another
//! value, and the user probably expects them to have one. Each section lists its own idle keys.

use serde_json::Value;
use sst_data::{Unused, UnusedKind};

use super::task::Task;
use super::written::Written;
use super::{Idle, RunConfig, SECTIONS};

/// The idle keys that were written with another value than their default, each with its place and the reason.
pub(crate) fn unused(config: &RunConfig, written: &Written) -> Unused {
    let mut unused = Unused::new();
    for (key, default, reason) in idle_in_run(config) {
        add(&mut unused, written, &key, &default, reason);
    }
    let tasks = &config.tasks.list;
    // A shared section is idle if every task has its own.
    for (section, reason) in [
        ("objective", "every task has its own objective"),
        ("curriculum", "every task has its own curriculum"),
    ] {
        let has_own_section = |task: &Task| written.get(&task.key(section)).is_some();
        if config.tasks.mixture.is_some() && tasks.iter().all(has_own_section) {
            add(&mut unused, written, section, &Value::Null, reason);
        }
    }
    for task in tasks {
        for (key, default, reason) in idle_in_task(task) {
            let task_key = task.key(&key);
            let is_shared = !task.name.is_empty() && written.get(&task_key).is_none();
            let is_idle_in_all_tasks = || {
                tasks.iter().all(|task| idle_in_task(task).iter().any(|(name, ..)| *name == key))
            };
            match is_shared {
                false => add(&mut unused, written, &task_key, &default, reason),
                // A shared key is idle if no task uses it.
                true if is_idle_in_all_tasks() => add(&mut unused, written, &key, &default, reason),
                true => {}
            }
        }
    }
    unused
}

/// Adds `key` to `unused` if it was written with another value than `default`.
fn add(unused: &mut Unused, written: &Written, key: &str, default: &Value, reason: &str) {
    let Some(value) = written.get(key) else { return };
    let is_default =
        value == default || value.as_f64().is_some() && value.as_f64() == default.as_f64();
    if !is_default {
        let place = written.place(key);
        unused.add(UnusedKind::ConfigKey, format!("{place}: {key} ({reason})"));
    }
}

/// The idle keys of the run.
fn idle_in_run(config: &RunConfig) -> Vec<Idle> {
    SECTIONS.iter().flat_map(|keys| (keys.idle)(config)).collect()
}

/// The idle keys of a task.
fn idle_in_task(task: &Task) -> Vec<Idle> {
    SECTIONS.iter().flat_map(|keys| (keys.idle_in_task)(task)).collect()
}
