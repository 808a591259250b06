//! Writing a Hugging Face model folder that transformers loads as it is.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use sst_core::checkpoint::{kind_name, write_tensors};
use sst_core::{Modality, Model};
use sst_data::atomic;
use sst_data::tokenize::Tokenizer;
use tch::Tensor;

use crate::card::ModelCard;
use crate::error::ModelError;
use crate::files::Carried;

/// The release of transformers whose folder layout this is.
const TRANSFORMERS_VERSION: &str = "5.23.0";

/// Writes config.json, model.safetensors, the tokenizer if there is one, and README.md into `folder`,
/// which is made if it is missing. Each file appears whole or not at all.
///
/// # Errors
/// If a file cannot be written, with its path.
pub fn save_folder(
    folder: &Path,
    model: &dyn Model,
    tokenizer: Option<&Tokenizer>,
    card: &ModelCard,
) -> Result<(), ModelError> {
    HostModel::copy(model)?.save(folder, tokenizer, card)
}

/// All of a model that a folder holds, copied to the host: it can be written on another thread while the
/// model trains on.
#[derive(Debug)]
pub struct HostModel {
    tensors: BTreeMap<String, Tensor>,
    config: Value,
    model_type: &'static str,
    /// The longest row that its text encoder reads, if it has one.
    max_length: Option<usize>,
    /// Of the folder that the model came from.
    from: Option<Carried>,
}

impl HostModel {
    /// Copies `model`.
    ///
    /// # Errors
    /// If libtorch cannot copy, or the weights are of a type that has no name.
    pub fn copy(model: &dyn Model) -> Result<Self, ModelError> {
        let mut tensors = model.params().to_cpu()?;
        let dtype = match tensors.values().next() {
            Some(tensor) => kind_name(tensor.f_kind().map_err(sst_core::Error::from)?)?,
            None => "float32",
        };
        let config = sorted(model.config(), dtype);
        for (name, copy) in model.copies() {
            if let Some(tensor) = tensors.get(&name).map(Tensor::shallow_clone) {
                tensors.insert(copy, tensor);
            }
        }
        let max_length = model.max_length().ok();
        Ok(Self { tensors, config, model_type: model.model_type(), max_length, from: None })
    }

    /// Has the files of the folder that the model was loaded from written too, and a limit of its tokenizer
    /// kept.
    pub fn carry(self, carried: Carried) -> Self {
        Self { from: Some(carried), ..self }
    }

    /// Writes the folder, as [`save_folder`] does.
    ///
    /// # Errors
    /// If a file cannot be written, with its path.
    pub fn save(
        &self,
        folder: &Path,
        tokenizer: Option<&Tokenizer>,
        card: &ModelCard,
    ) -> Result<(), ModelError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| ModelError::Io { path, source }
        };
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        write_tensors(&folder.join("model.safetensors"), &self.tensors, &[])?;
        let text = format!("{:#}\n", self.config);
        let path = folder.join("config.json");
        atomic::write(&path, text.as_bytes()).map_err(io(&path))?;
        if let Some(tokenizer) = tokenizer {
            let own = self.from.as_ref().and(tokenizer.model_max_length());
            let Some(limit) = self.max_length else {
                let (model_type, modality) = (self.model_type.to_owned(), Modality::Text);
                return Err(sst_core::Error::MissingEncoder { model_type, modality }.into());
            };
            tokenizer.save(folder, own.map_or(limit, |own| own.min(limit)))?;
        }
        if let Some(carried) = &self.from {
            carried.write(folder)?;
        }
        let path = folder.join("README.md");
        atomic::write(&path, card.render().as_bytes()).map_err(io(&path))
    }
}

/// The config with its keys sorted, as transformers writes it, and the type of the weights under its new
/// and its old name.
fn sorted(config: Value, dtype: &str) -> Value {
    let mut keys: Vec<(String, Value)> = match config {
        Value::Object(keys) => keys.into_iter().collect(),
        _ => Vec::new(),
    };
    keys.push(("dtype".into(), json!(dtype)));
    keys.push(("torch_dtype".into(), json!(dtype)));
    keys.push(("transformers_version".into(), json!(TRANSFORMERS_VERSION)));
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Object(Map::from_iter(keys))
}
