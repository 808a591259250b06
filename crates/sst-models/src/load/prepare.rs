//! Reads everything of a folder but the numbers of its weights, and plans how the model is built.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sst_core::checkpoint::{Renamed, Weights};
use sst_core::{HeadKind, LoraConfig};
use sst_data::{Unused, UnusedKind};

use super::{LoadOptions, targets};
use crate::adapter::AdapterFolder;
use crate::config::add_unused;
use crate::entry::{ModelEntry, architecture as architecture_of, model_type};
use crate::error::ModelError;
use crate::files;
use crate::heads::labels::{self, Labels};
use crate::init::InitOptions;
use crate::options::BuildOptions;
use crate::plan::{LoadHead, Plan, Request, TaskHead};
use crate::registry;

/// The content of a folder before a model is built.
pub(super) struct Prepared {
    pub(super) entry: &'static ModelEntry,
    /// The config.json after the keys of the options were applied.
    pub(super) config: Value,
    /// The path of that config.json.
    pub(super) config_path: PathBuf,
    /// The weights; those of the base model if the folder holds an adapter.
    pub(super) weights: Weights,
    pub(super) adapter: Option<AdapterFolder>,
    pub(super) plan: Plan,
    pub(super) build: BuildOptions,
    pub(super) unused: Unused,
}

/// Adds the name of the file to an error about a key.
pub(super) fn in_file(path: &Path) -> impl Fn(ModelError) -> ModelError {
    move |error| match error {
        ModelError::Config { .. } => {
            ModelError::BadFile { path: path.to_owned(), message: error.to_string() }
        }
        other => other,
    }
}

pub(super) fn prepare(
    folder: &Path,
    architecture: Option<&str>,
    options: &LoadOptions,
) -> Result<Prepared, ModelError> {
    let adapter = AdapterFolder::read(folder)?;
    let (path, mut config) = match &adapter {
        Some(adapter) => (adapter.config_path.clone(), adapter.config.clone()),
        None => {
            let path = folder.join("config.json");
            let config = files::read_json(&path)?.ok_or_else(|| files::not_found(&path))?;
            (path, config)
        }
    };
    let in_file = in_file(&path);
    let entry = registry::entry(model_type(&config).map_err(&in_file)?)?;
    let mut unused = adapter.as_ref().map(|adapter| adapter.unused.clone()).unwrap_or_default();
    add_unused(&mut unused, "config.json", &config, entry);
    let known = (entry.default_config)();
    for (key, value) in &options.config {
        if let (true, Some(keys)) = (labels::is_removed(key, value), config.as_object_mut()) {
            keys.remove(key);
            continue;
        }
        let is_task_key = !entry.tasks.is_empty() && labels::KEYS.contains(&key.as_str());
        if key == "model_type" || known.get(key).is_none() && !is_task_key {
            let message = format!("a model of type `{}` has no such key", entry.model_type);
            return Err(ModelError::Config { path: key.clone(), message });
        }
        config[key] = value.clone();
    }
    labels::drop_overridden(&mut config);
    if let Some(layers) = options.head_layers {
        layers.write(&mut config);
    }
    let head = match &adapter {
        Some(_) if options.lora.is_some() => {
            return Err(ModelError::IsAdapter { path: folder.to_owned() });
        }
        Some(adapter) => adapter.head(entry, options.head)?,
        None => options.head,
    };
    let weights = Weights::open(adapter.as_ref().map_or(folder, |adapter| &adapter.base))?;
    let mut build = BuildOptions {
        device: options.device,
        seed: Some(options.seed),
        architecture: architecture.map(str::to_owned),
        init: InitOptions::default(),
    };
    let architecture = match architecture {
        Some(_) => Some(architecture_of(entry, &build)?),
        None => None,
    };
    let request = Request {
        model_type: entry.model_type,
        architectures: entry.architectures,
        tasks: entry.tasks,
        default_config: entry.default_config,
        config: &config,
        weights: &weights,
        architecture,
        head,
        reset_head: options.reset_head,
    };
    let plan = (entry.plan)(&request).map_err(&in_file)?;
    if adapter.is_none() {
        check_head_size(folder, &config, &weights, &plan, options.head).map_err(&in_file)?;
    }
    if let Some(lora) = &options.lora {
        check_targets(lora, &weights, &plan)?;
    }
    build.architecture = Some(plan.architecture.to_owned());
    if plan.untied {
        unused.add(
            UnusedKind::ConfigKey,
            "config.json: tie_word_embeddings (the head in the file differs from the embeddings and is used)",
        );
        config["tie_word_embeddings"] = Value::Bool(false);
    }
    Ok(Prepared { entry, config, config_path: path.clone(), weights, adapter, plan, build, unused })
}

/// Checks that the targets of LoRA name matrices of the file: which of them are linear layers is known once the model is
/// built.
fn check_targets(lora: &LoraConfig, weights: &Weights, plan: &Plan) -> Result<(), ModelError> {
    let mut matrices = Vec::new();
    for (name, renamed) in &plan.renames {
        if let (Renamed::To(target), 2) = (renamed, weights.shape(name)?.len()) {
            matrices.extend(target.strip_suffix(".weight"));
        }
    }
    targets::check(lora, &matrices, &matrices)
}

/// Checks that the task head in the file has an output for each class, if the caller trains it.
fn check_head_size(
    folder: &Path,
    config: &Value,
    weights: &Weights,
    plan: &Plan,
    head: LoadHead,
) -> Result<(), ModelError> {
    let (LoadHead::New(_), Some(TaskHead { kind, outputs, .. })) = (head, &plan.task) else {
        return Ok(());
    };
    let is_outputs =
        |name: &&String| plan.renames.get(*name) == Some(&Renamed::To(outputs.clone()));
    let Some(name) = plan.renames.keys().find(is_outputs) else { return Ok(()) };
    let held = weights.shape(name)?.first().copied().unwrap_or(0);
    let labels = match kind {
        HeadKind::Span => return Ok(()),
        _ => Labels::of(config)?.names,
    };
    match held == labels.len() as i64 {
        true => Ok(()),
        false => Err(ModelError::HeadSize {
            path: folder.to_owned(),
            head: *kind,
            held,
            wanted: labels.len(),
            labels,
        }),
    }
}
