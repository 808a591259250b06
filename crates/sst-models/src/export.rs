//! Writes a Hugging Face model folder that transformers can load, or the folder of an adapter that PEFT can load.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use sst_core::checkpoint::{kind_name, write_tensors};
use sst_core::{Modality, Model};
use sst_data::atomic;
use sst_data::tokenize::Tokenizer;
use tch::Tensor;

use crate::adapter::AdapterFiles;
use crate::card::ModelCard;
use crate::error::ModelError;
use crate::files::Carried;

/// The release of transformers that the folder follows.
const TRANSFORMERS_VERSION: &str = "5.23.0";

/// Writes config.json, model.safetensors, README.md and, if there is one, the tokenizer into `folder`, which is
/// created if necessary. Each file is written atomically. Of a model with an adapter, the files of the adapter are written
/// in place of model.safetensors.
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

#[derive(Debug)]
enum HostWeights {
    Whole(BTreeMap<String, Tensor>),
    Adapter(AdapterFiles),
}

/// The content of a model folder, copied to the host. Another thread can write it while the model continues training.
#[derive(Debug)]
pub struct HostModel {
    /// The whole weights, or the adapter.
    weights: HostWeights,
    config: Value,
    model_type: &'static str,
    /// The largest number of tokens in a row of the text encoder, if there is one.
    max_length: Option<usize>,
    /// The files of the folder that the model was loaded from.
    from: Option<Carried>,
}

impl HostModel {
    /// Copies `model`.
    ///
    /// # Errors
    /// If libtorch cannot copy, or the type of the weights has no name in Hugging Face configs.
    pub fn copy(model: &dyn Model) -> Result<Self, ModelError> {
        let dtype = match model.params().iter().next() {
            Some((_, tensor)) => kind_name(tensor.f_kind().map_err(sst_core::Error::from)?)?,
            None => "float32",
        };
        let config = sorted(model.config(), dtype);
        let weights = match model.params().adapter() {
            Some(adapter) => HostWeights::Adapter(AdapterFiles::copy(model, adapter)?),
            None => HostWeights::Whole(whole(model)?),
        };
        let max_length = model.max_length().ok();
        Ok(Self { weights, config, model_type: model.model_type(), max_length, from: None })
    }

    /// Also writes the files `carried` of the folder that the model was loaded from, and keeps the `model_max_length`
    /// of its tokenizer.
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
        let base_model = match &self.weights {
            HostWeights::Whole(tensors) => {
                write_tensors(&folder.join("model.safetensors"), tensors, &[])?;
                None
            }
            HostWeights::Adapter(files) => {
                files.write(folder)?;
                Some(files.base_model())
            }
        };
        let text = format!("{:#}\n", self.config);
        let path = folder.join("config.json");
        atomic::write(&path, text.as_bytes()).map_err(io(&path))?;
        if let Some(tokenizer) = tokenizer {
            let kept_limit = self.from.as_ref().and(tokenizer.model_max_length());
            let Some(limit) = self.max_length else {
                let (model_type, modality) = (self.model_type.to_owned(), Modality::Text);
                return Err(sst_core::Error::MissingEncoder { model_type, modality }.into());
            };
            tokenizer.save(folder, kept_limit.map_or(limit, |kept| kept.min(limit)))?;
        }
        if let Some(carried) = &self.from {
            carried.write(folder)?;
        }
        let card = ModelCard { base_model, ..card.clone() };
        let path = folder.join("README.md");
        atomic::write(&path, card.render().as_bytes()).map_err(io(&path))
    }
}

/// A copy of all parameters, with the names under which transformers has some of them a second time.
fn whole(model: &dyn Model) -> Result<BTreeMap<String, Tensor>, ModelError> {
    let mut tensors = model.params().to_cpu()?;
    for (name, copy) in model.saved_aliases() {
        if let Some(tensor) = tensors.get(&name).map(Tensor::shallow_clone) {
            tensors.insert(copy, tensor);
        }
    }
    Ok(tensors)
}

/// The config as transformers writes it: with sorted keys, and with the type of the weights as `dtype` and as
/// `torch_dtype`.
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
