//! Reading a Hugging Face model folder.

use std::path::Path;

use serde_json::{Map, Value};
use sst_core::Model;
use sst_core::checkpoint::{Allow, LoadReport, Weights, load_params};
use tch::Device;

use crate::error::ModelError;
use crate::init::InitOptions;
use crate::registry::{self, BuildOptions};

/// Loads the model of a folder that holds config.json and its weights, one file or shards.
/// `architecture` overrides what the config names.
///
/// # Errors
/// If the config or the weights cannot be read, or a name is missing, unexpected or of another shape
/// and `allow` does not name it.
pub fn load(
    folder: &Path,
    architecture: Option<&str>,
    device: Device,
    allow: &Allow,
) -> Result<(Box<dyn Model>, LoadReport), ModelError> {
    load_with(folder, architecture, device, allow, &Map::new())
}

/// [`load`], where keys of `config` hold instead of those of config.json: dropout, say.
///
/// # Errors
/// As there; also if a key is not one of the model's.
pub fn load_with(
    folder: &Path,
    architecture: Option<&str>,
    device: Device,
    allow: &Allow,
    other: &Map<String, Value>,
) -> Result<(Box<dyn Model>, LoadReport), ModelError> {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|source| ModelError::Io { path: path.clone(), source })?;
    let mut config: Value = serde_json::from_str(&text)
        .map_err(|error| ModelError::BadFile { path: path.clone(), message: error.to_string() })?;
    let named = config.pointer("/architectures/0").and_then(Value::as_str);
    let options = BuildOptions {
        device,
        // Allowed to be missing means that it starts as a new model's would.
        seed: if allow.missing.is_empty() { None } else { Some(0) },
        architecture: architecture.or(named).map(str::to_owned),
        init: InitOptions::default(),
    };
    let in_file = |error: ModelError| match error {
        ModelError::Config { .. } => {
            ModelError::BadFile { path: path.clone(), message: error.to_string() }
        }
        other => other,
    };
    let entry = registry::entry(registry::model_type(&config).map_err(in_file)?)?;
    let known = (entry.default_config)();
    for (key, value) in other {
        if key == "model_type" || known.get(key).is_none() {
            let message = format!("a model of type `{}` has no such key", entry.model_type);
            return Err(ModelError::Config { path: key.clone(), message });
        }
        config[key] = value.clone();
    }
    let mut model = match (entry.build)(&config, &options) {
        // Who is to blame is not told here.
        Err(error @ ModelError::Config { .. }) if !other.is_empty() => return Err(error),
        built => built.map_err(in_file)?,
    };
    let weights = Weights::open(folder)?;
    // The rule depends on the architecture alone, so it is settled before the parameters are borrowed.
    let renames: std::collections::BTreeMap<String, _> =
        weights.names().map(|name| (name.to_owned(), (entry.rename)(name, &*model))).collect();
    let report = load_params(model.params_mut(), &weights, |name| renames[name].clone(), allow)?;
    Ok((model, report))
}
