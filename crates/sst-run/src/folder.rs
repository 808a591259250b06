//! The run folder: writes its configuration and environment at the start of a run, and checks whether a run can be
//! resumed in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sst_data::{Processor, atomic};
use tch::Device;

use crate::error::{PUT_BACK, Result, RunError};
use crate::recipe::{self, Effect, FROM_TOKENIZER, RunConfig, TEXT_CONFIG, Task, effect_of_change};
use crate::run_folder::{CONFIG, read, read_config};
use crate::task_rows::{CONTENTS, PreparedData};
use crate::tasks::TaskData;
use crate::{device, libtorch, processor};

const ENVIRONMENT: &str = "environment.json";

/// Compares the recipe with that of the run to be resumed. Differences in keys that affect what is learned are
/// refused, unless `allow` names the key.
///
/// # Errors
/// If such keys differ; the message lists them with their values.
pub(crate) fn check_same(folder: &Path, config: &RunConfig, allow: &[String]) -> Result<()> {
    let written = read_config(folder)?;
    // A run of an earlier version lacks keys that were added later; it used their defaults. If its configuration has
    // keys that no longer exist, it is compared as it was written, so that the message names them.
    let before = match recipe::read_config(&folder.join(CONFIG)) {
        Ok(before) => before.to_json()?,
        Err(_) => written,
    };
    let (before, now) = (flatten(&before), flatten(&config.to_json()?));
    let (mut changed, mut allowed) = (Vec::new(), BTreeSet::new());
    for key in before.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
        let (old, new) = (before.get(key), now.get(key));
        let same = match (old, new) {
            (Some(old), Some(new)) => {
                old == new || old.as_f64().is_some() && old.as_f64() == new.as_f64()
            }
            // Values that follow from the tokenizer are not filled in yet. The tokenizer itself is compared later.
            (Some(_), None) => {
                let of_text = format!("model.{TEXT_CONFIG}.");
                let name = key.strip_prefix(&*of_text).or_else(|| key.strip_prefix("model."));
                name.is_some_and(|key| FROM_TOKENIZER.contains(&key))
            }
            _ => false,
        };
        if same {
            continue;
        }
        let shown = |value: Option<&Value>| value.map_or("absent".to_owned(), Value::to_string);
        let change = format!("{key} was {} and is {}", shown(old), shown(new));
        match effect_of_change(key) {
            Some(Effect::None) => {}
            Some(Effect::LastBits) => tracing::warn!(
                "{change}: the run continues, but its weights will differ slightly from those of an uninterrupted run"
            ),
            None if allow.contains(key) => {
                allowed.insert(key.as_str());
                tracing::warn!("{change}, as --allow-change allows");
            }
            None => changed.push(change),
        }
    }
    for key in allow.iter().filter(|key| *key != "data" && !allowed.contains(key.as_str())) {
        tracing::warn!(
            "--allow-change {key} has no effect: the key has not changed, or may change without it"
        );
    }
    match changed.is_empty() {
        true => Ok(()),
        false => {
            let message = format!(
                "cannot resume {}: {}; resume with the same values, allow the change with --allow-change KEY, or \
                 start another run with another run.name",
                folder.display(),
                changed.join(", ")
            );
            Err(RunError::Resume(message))
        }
    }
}

/// Flattens a nested table to values by dotted key.
fn flatten(value: &Value) -> BTreeMap<String, Value> {
    fn walk(prefix: &str, value: &Value, out: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(table) => {
                for (name, value) in table {
                    let key =
                        if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                    walk(&key, value, out);
                }
            }
            other => {
                out.insert(prefix.to_owned(), other.clone());
            }
        }
    }
    let mut out = BTreeMap::new();
    walk("", value, &mut out);
    out
}

/// The environment of a run: versions, device, threads and data.
pub(crate) struct Environment<'a> {
    pub(crate) device: Device,
    pub(crate) processor: &'a Processor,
    pub(crate) tasks: &'a [TaskData<'a>],
    pub(crate) total_steps: u64,
    pub(crate) parameters: u64,
}

impl Environment<'_> {
    /// Writes config.toml and environment.json.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(crate) fn write(&self, folder: &Path, config: &RunConfig) -> Result<()> {
        write(&folder.join(CONFIG), &config.to_toml()?)?;
        write_json(&folder.join(ENVIRONMENT), &self.to_json()?)
    }

    /// Compares the data with that of the run to be resumed, unless `allow` contains `data`.
    ///
    /// # Errors
    /// If the number of documents, tokens or rows, the labels, or the contents have changed.
    pub(crate) fn check(&self, folder: &Path, allow: &[String]) -> Result<()> {
        let now = self.to_json()?;
        for task in self.tasks {
            let place = match &*task.task.name {
                "" => String::new(),
                name => format!("tasks/{name}/"),
            };
            let facts = task.data.describe().into_iter().map(|(key, _)| key);
            // The counts first: they say more about what has changed.
            let (hash, facts): (Vec<_>, Vec<_>) = facts.partition(|key| *key == CONTENTS);
            for key in facts.into_iter().chain(["training_rows"]).chain(hash) {
                let key = format!("{place}{key}");
                let now = now.pointer(&format!("/data/{key}"));
                check_data(folder, &key, now.unwrap_or_default(), allow)?;
            }
        }
        Ok(())
    }

    fn to_json(&self) -> Result<Value> {
        Ok(json!({
            "version": 1,
            "sst": env!("CARGO_PKG_VERSION"),
            "git_commit": git_commit(),
            "libtorch": libtorch::libtorch_version(),
            "os": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
            "cpu": processor::describe()?,
            "device": device::name(self.device),
            "threads": tch::get_num_threads(),
            "total_steps": self.total_steps,
            "parameters": self.parameters,
            "data": self.data(),
        }))
    }

    fn data(&self) -> Value {
        let mut data = match self.processor.find_tokenizer() {
            Some(tokenizer) => json!({
                "tokenizer": tokenizer.fingerprint(),
                "vocab_size": tokenizer.vocab_size(),
            }),
            None => json!({}),
        };
        for TaskData { task, data: prepared, train, held_out, .. } in self.tasks {
            let mut facts = vec![("store", json!(prepared.fingerprint()))];
            facts.extend(prepared.describe());
            facts.extend([
                ("training_rows", json!(train.len())),
                ("validation_rows", json!(held_out.len())),
            ]);
            for (key, value) in facts {
                match &*task.name {
                    "" => data[key] = value,
                    name => data["tasks"][name][key] = value,
                }
            }
        }
        data
    }
}

/// Checks that the data of the run in `folder` has not changed before its held-out part is evaluated. With other
/// data, another part would be held out, and it could contain texts that the model was trained on.
///
/// # Errors
/// If the number of documents or tokens, or the contents have changed, or environment.json cannot be read.
pub fn check_held_out(folder: &Path, task: &Task, data: &PreparedData) -> Result<()> {
    let environment = read_environment(folder)?;
    let place = match &*task.name {
        "" => "/data".to_owned(),
        name => format!("/data/tasks/{name}"),
    };
    for (key, now) in [("documents", data.num_documents()), ("tokens", data.num_tokens())] {
        let before = environment.pointer(&format!("{place}/{key}")).and_then(Value::as_u64);
        if before.is_some_and(|before| before != now) {
            let message = format!(
                "the data of {} changed since it was trained ({key} were {} and are {now}), so another part would be \
                 held out: restore the files, or name other data with --data",
                folder.display(),
                before.unwrap_or_default()
            );
            return Err(RunError::Resume(message));
        }
    }
    let before = environment.pointer(&format!("{place}/{CONTENTS}")).and_then(Value::as_str);
    if before.is_some_and(|before| before != data.contents()) {
        let message = format!(
            "the data of {} changed since it was trained (there are as many texts and tokens as before, but not the \
             same), so texts that the model was trained on could be held out: restore the files, or name other data with \
             --data",
            folder.display()
        );
        return Err(RunError::Resume(message));
    }
    Ok(())
}

/// Checks that `key` of the data, such as `documents`, has the same value as when the run began, unless `allow`
/// contains `data`.
///
/// # Errors
/// If the value has changed, or environment.json cannot be read.
pub(crate) fn check_data(folder: &Path, key: &str, now: &Value, allow: &[String]) -> Result<()> {
    let environment = read_environment(folder)?;
    let before = environment.pointer(&format!("/data/{key}")).unwrap_or_default();
    let is_contents = key.rsplit('/').next() == Some(CONTENTS);
    // Earlier versions did not write the hash of the contents.
    if before == now || is_contents && before.is_null() {
        return Ok(());
    }
    let change = match is_contents {
        true => "its data changed (there are as many texts and tokens as before, but not the same)"
            .to_owned(),
        false => format!("its data changed ({key} was {before} and is {now})"),
    };
    if allow.iter().any(|allowed| allowed == "data") {
        tracing::warn!("{change}, as --allow-change allows");
        return Ok(());
    }
    // With another tokenizer, the same ids stand for other tokens, so the weights would be useless.
    let allowed = if key == "tokenizer" { "" } else { "allow it with --allow-change data, " };
    let message = format!(
        "cannot resume {}: {change}; restore the files, {allowed}or start another run with another \
         run.name",
        folder.display(),
    );
    Err(RunError::Resume(message))
}

/// Reads environment.json of the run in `folder`.
///
/// # Errors
/// If the file cannot be read or is not JSON; the message has its path.
pub(crate) fn read_environment(folder: &Path) -> Result<Value> {
    let path = folder.join(ENVIRONMENT);
    let text = read(&path)?;
    serde_json::from_str(&text).map_err(|error| {
        RunError::Damaged(format!("{} is damaged ({error}): {PUT_BACK}", path.display()))
    })
}

/// Writes `value` as indented JSON. The file is replaced atomically.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<()> {
    write(path, &format!("{value:#}\n"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    atomic::write(path, text.as_bytes()).map_err(RunError::io("write", path))
}

/// The git commit of the working directory; `None` outside of a repository.
fn git_commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| commit.trim().to_owned())
}
