//! Makes a dual encoder of two towers, new ones or those of trained models.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sst_core::checkpoint::{Allow, CheckpointError, LoadReport, Renamed, Weights, load_params};
use sst_core::{Modality, Model, ParamStore};
use sst_data::{Unused, UnusedKind};
use tch::Device;

use super::config::DualConfig;
use super::tower::{TowerEntry, names, of_model, with_type};
use super::wrapper::ENTRY;
use crate::adapter::is_adapter;
use crate::config::{add_unused, add_unused_keys};
use crate::entry::model_type;
use crate::error::{ModelError, bad};
use crate::files::{self, Carried, Role};
use crate::init::InitOptions;
use crate::load::Loaded;
use crate::options::BuildOptions;
use crate::registry;

/// Where a tower of a new dual encoder comes from.
#[derive(Debug, Clone)]
pub enum TowerSource {
    /// A new tower: the content of a config.json, of a model with such an encoder (`bert`, `vit`, `clip`, ...) or of the
    /// tower alone (`clip_vision_model`, ...). Keys that are left out have their defaults.
    New(Value),
    /// The encoder of a trained model.
    Folder {
        /// A Hugging Face folder.
        path: PathBuf,
        /// Keys that override those of the tower's configuration, such as dropout probabilities.
        config: Map<String, Value>,
    },
}

/// The settings of a new dual encoder.
#[derive(Debug, Clone, Copy)]
pub struct DualOptions {
    /// The width of the shared space.
    pub projection_dim: i64,
    /// The initial logarithm of the scale of the logits.
    pub logit_scale_init_value: f64,
    /// The device of the parameters.
    pub device: Device,
    /// The seed of the initial values.
    pub seed: u64,
}

/// A tower before it is built.
struct Planned {
    entry: &'static TowerEntry,
    /// Its configuration, with its `model_type`.
    config: Value,
    /// The folder of its weights.
    folder: Option<(PathBuf, Weights)>,
    unused: Unused,
}

/// A dual encoder of an image tower and a text tower, as transformers' `VisionTextDualEncoderModel` (Zhai et al. 2021,
/// "LiT"). Its projections and the scale of its logits are new, and so is the pooler of a tower whose folder has none;
/// `report.missing` names them. What a folder has and the tower does not, such as a language-model head or the decoder of
/// a ViTMAE, is in `unused`. A ViTMAE becomes a tower of type `vit`.
///
/// # Errors
/// If a configuration or a folder cannot be read, has no encoder of the modality, or lacks weights of the tower; if a folder
/// holds an adapter; or if a size is out of range.
pub fn dual_encoder(
    image: &TowerSource,
    text: &TowerSource,
    options: &DualOptions,
) -> Result<Loaded, ModelError> {
    let towers = [plan(Modality::Text, text)?, plan(Modality::Image, image)?];
    let dual = DualConfig {
        projection_dim: options.projection_dim,
        logit_scale_init_value: options.logit_scale_init_value,
        ..DualConfig::default()
    };
    let mut config = with_type(json!(dual), ENTRY.model_type);
    for tower in &towers {
        config[names(tower.entry.modality).1] = tower.config.clone();
    }
    let build = BuildOptions {
        device: options.device,
        seed: Some(options.seed),
        architecture: None,
        init: InitOptions::default(),
    };
    let mut model = registry::build_anew(&config, &build)?;
    let mut report = LoadReport::default();
    let mut unused = Unused::new();
    for Planned { entry, folder, unused: of_tower, .. } in towers {
        unused.extend(of_tower);
        if let Some((path, weights)) = &folder {
            let loaded = load(model.params_mut(), entry, weights)?;
            for name in &loaded.unexpected {
                unused.add(UnusedKind::Tensor, format!("{}: {name}", path.display()));
            }
            report.loaded.extend(loaded.loaded);
            report.ignored.extend(loaded.ignored);
            report.unexpected.extend(loaded.unexpected);
            for (dtype, count) in loaded.converted {
                *report.converted.entry(dtype).or_default() += count;
            }
        }
    }
    report.missing = missing(&*model, &report.loaded);
    let carried = Carried::default();
    Ok(Loaded { model, report, unused, absent: Vec::new(), carried })
}

/// The parameters that no folder held.
fn missing(model: &dyn Model, loaded: &[String]) -> Vec<String> {
    let names = model.params().iter().map(|(name, _)| name.to_owned());
    names.filter(|name| !loaded.contains(name)).collect()
}

/// Reads everything of a tower but the numbers of its weights.
fn plan(modality: Modality, source: &TowerSource) -> Result<Planned, ModelError> {
    let (path, overrides) = match source {
        TowerSource::New(config) => return new(modality, config),
        TowerSource::Folder { path, config } => (path, config),
    };
    if is_adapter(path) {
        return Err(ModelError::IsAdapter { path: path.clone() });
    }
    let file = path.join("config.json");
    let in_file = |error: ModelError| match error {
        ModelError::Config { .. } => {
            ModelError::BadFile { path: file.clone(), message: error.to_string() }
        }
        other => other,
    };
    let whole: Value = files::read_json(&file)?.ok_or_else(|| files::not_found(&file))?;
    let found = model_type(&whole).map_err(in_file)?;
    let (entry, is_whole) = of_model(modality, found).map_err(in_file)?;
    let mut config = if is_whole { (entry.config)(&whole) } else { whole.clone() };
    let mut unused = Unused::new();
    let label = file.display().to_string();
    match registry::list().iter().find(|model| is_whole && model.model_type == found) {
        Some(model) => add_unused(&mut unused, &label, &whole, model),
        None => add_unused_keys(&mut unused, &label, &whole, entry),
    }
    let known = (entry.default_config)();
    for (key, value) in overrides {
        if known.get(key).is_none() {
            let message = format!("a tower of type `{}` has no such key", entry.model_type);
            return Err(bad(&format!("{}.{key}", names(modality).1), &message));
        }
        config[key] = value.clone();
    }
    let config = with_type(config, entry.model_type);
    (entry.check)(&config).map_err(in_file)?;
    let weights = Weights::open(path)?;
    let mut of_folder = Unused::new();
    files::add_unused(&mut of_folder, path, &weights, (Role::Write, false))?;
    for name in of_folder.of(UnusedKind::File) {
        unused.add(UnusedKind::File, path.join(name).display().to_string());
    }
    Ok(Planned { entry, config, folder: Some((path.clone(), weights)), unused })
}

/// A new tower. Unknown keys are refused, as they are most likely misspelt.
fn new(modality: Modality, config: &Value) -> Result<Planned, ModelError> {
    let found = model_type(config)?;
    let (entry, is_whole) = of_model(modality, found)?;
    let config = if is_whole { (entry.config)(config) } else { config.clone() };
    let config = with_type(config, entry.model_type);
    registry::check_known(names(modality).1, &config, entry)?;
    (entry.check)(&config)?;
    Ok(Planned { entry, config, folder: None, unused: Unused::new() })
}

/// Loads the weights of a tower.
///
/// # Errors
/// If the folder lacks some that transformers does not make anew for the tower.
fn load(
    params: &mut ParamStore,
    tower: &TowerEntry,
    weights: &Weights,
) -> Result<LoadReport, ModelError> {
    let (module, _) = names(tower.modality);
    let rename = |name: &str| match (tower.rename)(name) {
        Renamed::To(target) => Renamed::To(format!("{module}.{target}")),
        other => other,
    };
    let any = Allow { missing: vec![String::new()], unexpected: vec![String::new()] };
    let mut report = load_params(params, weights, rename, &any)?;
    let may_lack = |name: &str| tower.new.iter().any(|start| name.starts_with(start));
    report.missing.retain(|name| {
        let of_tower = name.strip_prefix(module).and_then(|rest| rest.strip_prefix('.'));
        of_tower.is_some_and(|rest| !may_lack(rest))
    });
    if report.missing.is_empty() {
        return Ok(report);
    }
    let lacking = LoadReport { missing: report.missing, ..LoadReport::default() };
    let (path, report) = (Path::to_owned(weights.path()), Box::new(lacking));
    Err(sst_core::Error::from(CheckpointError::Mismatch { path, report }).into())
}
