//! Reads a Hugging Face model folder, or the folder of an adapter together with that of its base model.

mod fill;
mod prepare;
mod targets;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sst_core::checkpoint::{Allow, LoadReport};
use sst_core::{HeadKind, LoraConfig, Modality, Model};
use sst_data::{Ledger, Unused, UnusedKind};
use tch::Device;

use self::prepare::{Prepared, in_file, prepare};
use crate::adapter::{AdapterFolder, folder_with};
use crate::entry::model_type;
use crate::error::ModelError;
use crate::files::{self, Carried, Role};
use crate::heads::HeadConfig;
use crate::heads::labels::Labels;
use crate::plan::LoadHead;
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
    /// Keys that override those of config.json, such as dropout probabilities. A null removes a key that describes a task
    /// head.
    pub config: Map<String, Value>,
    /// Parameters that may be missing, and tensors that may be left unused without a report.
    pub allow: Allow,
    /// The layers of a classification head that is loaded or made; `None` for those that config.json names.
    pub head_layers: Option<HeadConfig>,
    /// Whether a head that is trained ([`LoadHead::New`]) has the initial values of a new model even if the folder
    /// holds it.
    pub reset_head: bool,
    /// LoRA, for a caller that trains an adapter of the model. The head that it trains is part of the adapter.
    pub lora: Option<LoraConfig>,
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
            head_layers: None,
            reset_head: false,
            lora: None,
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

/// Loads the model of a folder with config.json and weights in one file or in shards; or the adapter of a folder with
/// adapter_config.json, and its base model.
///
/// The architecture follows from the tensors in the file and, if these leave a choice, from the config.
/// `architecture` overrides both; the file must then hold all of its parameters, except those that `allow` names.
///
/// # Errors
/// If the config or the weights cannot be read, a size in the config differs from the weights, or a parameter is
/// missing, has another shape, or is not finite. For an adapter also if its base model is not found or has changed, or
/// it needs what sst does not implement.
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
/// As for [`load`]; also if a key of `options.config` does not exist in the model, the required head is missing or has
/// another number of classes, LoRA has no layer to adapt, or the folder holds an adapter and the caller trains.
pub fn open(folder: &Path, options: &LoadOptions) -> Result<Loaded, ModelError> {
    load_as(folder, None, options)
}

/// The sizes in a folder's config.json that limit the texts of its model; `None` for a model of images alone.
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
/// required head is missing or has another number of classes.
pub fn check_folder(folder: &Path, options: &LoadOptions) -> Result<Sizes, ModelError> {
    let prepared = prepare(folder, None, options)?;
    let parts = (prepared.entry.parts)(&prepared.config)?;
    let text = parts.iter().find(|part| part.tower.modality == Modality::Text);
    let number = |key: &str| match text {
        Some(part) => {
            let value = part.value.get(key).and_then(Value::as_u64);
            value.or_else(|| (part.tower.default_config)().get(key).and_then(Value::as_u64))
        }
        None => prepared.config.get(key).and_then(Value::as_u64),
    };
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
    /// What the outputs predict, if the folder says it: the `problem_type` of its config.json.
    pub problem_type: Option<sst_core::ProblemType>,
}

/// The classes of the head of kind `kind` that the config.json of a folder describes; `None` if it describes no such head.
///
/// # Errors
/// If the config.json cannot be read.
pub fn labels_of(folder: &Path, kind: HeadKind) -> Result<Option<HeadLabels>, ModelError> {
    let (path, config) = config_of(folder)?;
    let entry = registry::entry(model_type(&config).map_err(in_file(&path))?)?;
    let named = config.pointer("/architectures/0").and_then(Value::as_str);
    if entry.task(named).is_none_or(|(_, head)| head != kind) {
        return Ok(None);
    }
    let Labels { names, problem_type } = Labels::of(&config).map_err(in_file(&path))?;
    let are_named =
        names.iter().zip(0..).any(|(name, id): (_, u32)| *name != format!("LABEL_{id}"));
    Ok(Some(HeadLabels { names, are_named, problem_type }))
}

/// The config.json of a folder, and its path. For an adapter it describes the model with the adapter.
fn config_of(folder: &Path) -> Result<(PathBuf, Value), ModelError> {
    if let Some(adapter) = AdapterFolder::read(folder)? {
        return Ok((adapter.config_path, adapter.config));
    }
    let path = folder.join("config.json");
    let config = files::read_json(&path)?.ok_or_else(|| files::not_found(&path))?;
    Ok((path, config))
}

fn load_as(
    folder: &Path,
    architecture: Option<&str>,
    options: &LoadOptions,
) -> Result<Loaded, ModelError> {
    let prepared = prepare(folder, architecture, options)?;
    let in_file = in_file(&prepared.config_path);
    let (model, report) = prepared.fill(options).map_err(|error| {
        match (error, options.config.is_empty()) {
            // The key may come from the options; the caller knows their source.
            (error @ ModelError::Config { .. }, false) => error,
            (error, _) => in_file(error),
        }
    })?;
    let Prepared { weights, adapter, plan, mut unused, .. } = prepared;
    let is_allowed =
        |name: &String| options.allow.unexpected.iter().any(|start| name.starts_with(&**start));
    for name in report.unexpected.iter().filter(|name| !is_allowed(name)) {
        unused.add(UnusedKind::Tensor, name);
    }
    let files = adapter.as_ref().map_or(&weights, |adapter| &adapter.weights);
    let reads_pictures = model.encoder(Modality::Image).is_ok();
    files::add_unused(&mut unused, folder, files, (options.role, reads_pictures))?;
    let carried = Carried::read(|names| folder_with(folder, names), reads_pictures)?;
    Ok(Loaded { model, report, unused, absent: plan.absent, carried })
}
