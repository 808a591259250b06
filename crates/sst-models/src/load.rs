//! Reads a Hugging Face model folder.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use sst_core::checkpoint::{
    Allow, CheckpointError, FileShapes, LoadReport, Renamed, Weights, load_params,
};
use sst_core::{HeadKind, Model};
use sst_data::{Ledger, Unused, UnusedKind};
use tch::Device;

use crate::config::add_unused;
use crate::entry::{architecture as architecture_of, model_type};
use crate::error::ModelError;
use crate::files::{self, Carried, Role};
use crate::heads::labels;
use crate::init::InitOptions;
use crate::options::BuildOptions;
use crate::plan::{LoadHead, Parts, Plan, Request};
use crate::registry;

/// The options of [`open`].
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The device of the parameters.
    pub device: Device,
    /// The head that the model should have.
    pub head: LoadHead,
    /// The purpose; for a model that is saved again, content that is not kept is reported.
    pub role: Role,
    /// Keys that override those of config.json, such as dropout probabilities.
    pub config: Map<String, Value>,
    /// Parameters that may be missing, and tensors that may be left unused without a report.
    pub allow: Allow,
    /// The seed for the initial values of parameters that the file may lack.
    pub seed: u64,
}

impl LoadOptions {
    /// Loads the folder as it is to `device`, to run the model.
    pub fn new(device: Device) -> Self {
        Self {
            device,
            head: LoadHead::AsFound,
            role: Role::Run,
            config: Map::new(),
            allow: Allow::default(),
            seed: 0,
        }
    }
}

/// A loaded model, and what was done with the content of the folder.
pub struct Loaded {
    /// The model.
    pub model: Box<dyn Model>,
    /// What happened to each tensor and parameter.
    pub report: LoadReport,
    /// Keys, files and tensors that were not used.
    pub unused: Unused,
    /// Parameters of the architecture that the config names, which both the file and the model lack.
    pub absent: Vec<String>,
    /// Files that are copied to every folder that the model is saved to.
    pub carried: Carried,
}

impl Loaded {
    /// Adds to the ledger what was not used, what has the initial values of a new model, what is absent, and how many
    /// parameters were converted to fp32.
    pub fn add_to(&self, ledger: &Ledger) {
        ledger.add_unused(&self.unused);
        ledger.add_items("weights.new", &self.report.missing);
        ledger.add_items("weights.absent", &self.absent);
        for (dtype, count) in &self.report.converted {
            ledger.add(&format!("weights.{}_to_f32", dtype.to_lowercase()), *count, None);
        }
    }
}

/// Loads the model of a folder with config.json and weights in one file or in shards.
///
/// The architecture follows from the tensors in the file and, if these leave a choice, from the config.
/// `architecture` overrides both; the file must then hold all of its parameters, except those that `allow` names.
///
/// # Errors
/// If the config or the weights cannot be read, a size in the config differs from the weights, or a parameter is
/// missing, has another shape, or is not finite.
pub fn load(
    folder: &Path,
    architecture: Option<&str>,
    device: Device,
    allow: &Allow,
) -> Result<(Box<dyn Model>, LoadReport), ModelError> {
    let options = LoadOptions { allow: allow.clone(), ..LoadOptions::new(device) };
    let loaded = load_as(folder, architecture, &options)?;
    Ok((loaded.model, loaded.report))
}

/// [`load`] with all options. Also returns the report.
///
/// # Errors
/// As for [`load`]; also if a key of `options.config` does not exist in the model, or the required head is missing.
pub fn open(folder: &Path, options: &LoadOptions) -> Result<Loaded, ModelError> {
    load_as(folder, None, options)
}

/// The sizes in a folder's config.json that limit the texts of its model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The number of rows of the embedding table; every token id is smaller than this.
    pub vocab_size: Option<u64>,
    /// The largest number of tokens in a text.
    pub max_length: Option<u64>,
}

/// Checks a folder as [`open`] does, but reads only the config.json, the headers of the weights and the names of the
/// tensors.
///
/// # Errors
/// If the config or the weights cannot be read, a key of `options.config` does not exist in the model, or the
/// required head is missing.
pub fn check_folder(folder: &Path, options: &LoadOptions) -> Result<Sizes, ModelError> {
    let prepared = prepare(folder, None, options)?;
    let number = |key: &str| prepared.config.get(key).and_then(Value::as_u64);
    let max_length = number("max_position_embeddings").or_else(|| number("n_positions"));
    Ok(Sizes { vocab_size: number("vocab_size"), max_length })
}

/// The classes of a head that a folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadLabels {
    /// Their names, in the order of the outputs.
    pub names: Vec<String>,
    /// Whether the folder names any of them; otherwise they are `LABEL_0`, `LABEL_1`, ...
    pub are_named: bool,
}

/// The classes of the head of kind `kind` that the config.json of a folder describes; `None` if it describes no such head.
///
/// # Errors
/// If the config.json cannot be read.
pub fn labels_of(folder: &Path, kind: HeadKind) -> Result<Option<HeadLabels>, ModelError> {
    let path = folder.join("config.json");
    let config: Value = files::read_json(&path)?.ok_or_else(|| files::not_found(&path))?;
    let entry = registry::entry(model_type(&config).map_err(in_file(&path))?)?;
    let named = config.pointer("/architectures/0").and_then(Value::as_str);
    if entry.task(named).is_none_or(|(_, head)| head != kind) {
        return Ok(None);
    }
    let names = labels::Labels::of(&config).map_err(in_file(&path))?.names;
    let are_named =
        names.iter().zip(0..).any(|(name, id): (_, u32)| *name != format!("LABEL_{id}"));
    Ok(Some(HeadLabels { names, are_named }))
}

/// The content of a folder before a model is built.
struct Prepared {
    /// The config.json after the keys of the options were applied.
    config: Value,
    weights: Weights,
    plan: Plan,
    build: BuildOptions,
    unused: Unused,
}

/// Adds the name of the file to an error about a key.
fn in_file(path: &Path) -> impl Fn(ModelError) -> ModelError {
    move |error| match error {
        ModelError::Config { .. } => {
            ModelError::BadFile { path: path.to_owned(), message: error.to_string() }
        }
        other => other,
    }
}

fn prepare(
    folder: &Path,
    architecture: Option<&str>,
    options: &LoadOptions,
) -> Result<Prepared, ModelError> {
    let path = folder.join("config.json");
    let mut config: Value = files::read_json(&path)?.ok_or_else(|| files::not_found(&path))?;
    let in_file = in_file(&path);
    let entry = registry::entry(model_type(&config).map_err(in_file)?)?;
    let mut unused = Unused::new();
    add_unused(&mut unused, "config.json", &config, entry);
    let known = (entry.default_config)();
    for (key, value) in &options.config {
        let is_task_key = !entry.tasks.is_empty() && labels::KEYS.contains(&key.as_str());
        if key == "model_type" || known.get(key).is_none() && !is_task_key {
            let message = format!("a model of type `{}` has no such key", entry.model_type);
            return Err(ModelError::Config { path: key.clone(), message });
        }
        config[key] = value.clone();
    }
    labels::drop_overridden(&mut config);
    let weights = Weights::open(folder)?;
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
        head: options.head,
    };
    let plan = (entry.plan)(&request)?;
    build.architecture = Some(plan.architecture.to_owned());
    if plan.untied {
        unused.add(
            UnusedKind::ConfigKey,
            "config.json: tie_word_embeddings (the head in the file differs from the embeddings and is used)",
        );
        config["tie_word_embeddings"] = Value::Bool(false);
    }
    Ok(Prepared { config, weights, plan, build, unused })
}

fn load_as(
    folder: &Path,
    architecture: Option<&str>,
    options: &LoadOptions,
) -> Result<Loaded, ModelError> {
    let Prepared { config, weights, plan, build, mut unused } =
        prepare(folder, architecture, options)?;
    let path = folder.join("config.json");
    let in_file = in_file(&path);
    let (model, report) = filled(&config, &weights, &plan, &build, options).map_err(|error| {
        match (error, options.config.is_empty()) {
            // The key may come from the options; the caller knows their source.
            (error @ ModelError::Config { .. }, false) => error,
            (error, _) => in_file(error),
        }
    })?;
    let is_allowed =
        |name: &String| options.allow.unexpected.iter().any(|start| name.starts_with(&**start));
    for name in report.unexpected.iter().filter(|name| !is_allowed(name)) {
        unused.add(UnusedKind::Tensor, name);
    }
    files::add_unused(&mut unused, folder, &weights, options.role)?;
    let carried = Carried::read(folder)?;
    Ok(Loaded { model, report, unused, absent: plan.absent, carried })
}

/// Builds the model that was planned and loads its weights.
fn filled(
    config: &Value,
    weights: &Weights,
    plan: &Plan,
    build: &BuildOptions,
    options: &LoadOptions,
) -> Result<(Box<dyn Model>, LoadReport), ModelError> {
    let entry = registry::entry(model_type(config)?)?;
    let rename = |name: &str| plan.renames.get(name).cloned().unwrap_or(Renamed::Unused);
    // Additional tensors in the file are reported and not refused.
    let allow = Allow {
        missing: [&options.allow.missing[..], &plan.new].concat(),
        unexpected: vec![String::new()],
    };
    let shapes = Arc::new(FileShapes::new(weights, rename, &allow)?);
    let parts = Parts { pooler: plan.pooler, file: Some(Arc::clone(&shapes)) };
    let built = (entry.build)(config, build, &parts);
    if let Some(mut report) = shapes.problems() {
        // The names in the file may show why parameters are missing.
        let (path, known) = (weights.path().to_owned(), built.as_ref().ok());
        let unknown = |name: &&str| match (rename(name), known) {
            (Renamed::To(target), Some(model)) => model.params().get(&target).is_none(),
            _ => false,
        };
        report.unexpected = weights.names().filter(unknown).map(str::to_owned).collect();
        let report = Box::new(report);
        return Err(sst_core::Error::from(CheckpointError::Mismatch { path, report }).into());
    }
    let mut model = built?;
    let report = load_params(model.params_mut(), weights, rename, &allow)?;
    Ok((model, report))
}
