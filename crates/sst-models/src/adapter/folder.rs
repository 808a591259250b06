//! Reads the folder of an adapter.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sst_core::checkpoint::{Renamed, Weights};
use sst_core::lora::{ADAPTER_PREFIX, adapted_layer, is_lora};
use sst_core::{Adapter, HeadKind};
use sst_data::Unused;

use super::base::{self, Record};
use super::config::AdapterConfig;
use super::{WEIGHTS, base_model, is_adapter};
use crate::entry::{ModelEntry, model_type};
use crate::error::ModelError;
use crate::files::{not_found, read_json};
use crate::heads::labels::Labels;
use crate::plan::LoadHead;
use crate::registry;

/// The folder of an adapter, and that of its base model.
pub(crate) struct AdapterFolder {
    /// The folder of the base model.
    pub(crate) base: PathBuf,
    /// The config.json of the whole model: that of the folder, or else that of the base model with the architecture and
    /// the number of classes that the adapter has.
    pub(crate) config: Value,
    /// The path of that config.json.
    pub(crate) config_path: PathBuf,
    /// The weights of the adapter.
    pub(crate) weights: Weights,
    /// Keys of adapter_config.json that are not used.
    pub(crate) unused: Unused,
    folder: PathBuf,
    settings: AdapterConfig,
}

impl AdapterFolder {
    /// Reads the folder, except for the numbers of weights; `None` if it holds no adapter.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, ModelError> {
        if !is_adapter(folder) {
            return Ok(None);
        }
        let (settings, unused) = AdapterConfig::read(folder)?;
        let base = base::find(folder, settings.base.as_deref())?;
        let weights = open(folder)?;
        let own = folder.join("config.json");
        let (config_path, config) = match read_json(&own)? {
            Some(config) => (own, config),
            None => {
                let path = base.join("config.json");
                let config: Value = read_json(&path)?.ok_or_else(|| not_found(&path))?;
                let config = completed(config, &settings, &weights)?;
                (path, config)
            }
        };
        let folder = folder.to_owned();
        Ok(Some(Self { base, config, config_path, weights, unused, folder, settings }))
    }

    /// The head that the base model is loaded with, for a caller that wants `head`. The base model may lack the head
    /// that the adapter holds.
    pub(crate) fn head(&self, entry: &ModelEntry, head: LoadHead) -> Result<LoadHead, ModelError> {
        let own = entry.task(self.architecture()).map(|(_, kind)| kind);
        match (head, own) {
            (LoadHead::New(_), _) => Err(ModelError::IsAdapter { path: self.folder.clone() }),
            (LoadHead::AsFound, Some(kind)) => Ok(LoadHead::New(kind)),
            (LoadHead::Needed(kind), own) if own == Some(kind) => Ok(LoadHead::New(kind)),
            (head, _) => Ok(head),
        }
    }

    /// The architecture of the adapted model, if it is known.
    pub(crate) fn architecture(&self) -> Option<&str> {
        self.config.pointer("/architectures/0").and_then(Value::as_str)
    }

    /// The parameter that a tensor of the adapter stands for, in this architecture.
    pub(crate) fn rename(name: &str, entry: &ModelEntry, architecture: &str) -> Renamed {
        let name = name.strip_prefix(ADAPTER_PREFIX).unwrap_or(name);
        // Some releases of PEFT kept a part of the name in memory.
        let name = name.replacen(".modules_to_save.", ".", 1);
        (entry.rename)(&name, architecture)
    }

    /// The adapter for a model of this architecture. The files of the base model are hashed, and compared with the
    /// record of the folder if there is one.
    pub(crate) fn adapter(
        &self,
        base: &Weights,
        entry: &ModelEntry,
        architecture: &str,
    ) -> Result<Adapter, ModelError> {
        let base = base_model(&self.base, base)?;
        if let Some(record) = Record::read(&self.folder)? {
            record.check(&self.folder, &base)?;
        }
        let names =
            self.weights.names().filter_map(|name| match Self::rename(name, entry, architecture) {
                Renamed::To(target) => Some(target),
                _ => None,
            });
        let (matrices, whole): (Vec<String>, Vec<String>) = names.partition(|name| is_lora(name));
        let mut layers: Vec<String> =
            matrices.iter().filter_map(|name| adapted_layer(name)).map(str::to_owned).collect();
        layers.dedup();
        let lora = self.settings.lora(layers);
        let modules_to_save = self.settings.modules_to_save();
        let mut adapter = Adapter { lora, modules_to_save, base, is_new: false };
        // PEFT lists the modules of all heads that a model may have.
        let holds = |module: &String| {
            let alone = Adapter { modules_to_save: vec![module.clone()], ..adapter.clone() };
            whole.iter().any(|name| alone.holds(name))
        };
        let held: Vec<String> =
            adapter.modules_to_save.iter().filter(|m| holds(m)).cloned().collect();
        adapter.modules_to_save = held;
        for name in &whole {
            if !adapter.holds(name) {
                let module = name.rsplit_once('.').map_or(&**name, |(module, _)| module);
                adapter.modules_to_save.push(module.to_owned());
            }
        }
        Ok(adapter)
    }
}

/// Opens the weights of an adapter.
fn open(folder: &Path) -> Result<Weights, ModelError> {
    let path = folder.join(WEIGHTS);
    if !path.is_file() && folder.join("adapter_model.bin").is_file() {
        let message = "is in PyTorch's format, which sst does not read: load the adapter with PEFT and save it again \
                       with save_pretrained, which writes safetensors";
        let path = folder.join("adapter_model.bin");
        return Err(ModelError::BadFile { path, message: message.to_owned() });
    }
    if !path.is_file() {
        return Err(not_found(&path));
    }
    Ok(Weights::open(&path)?)
}

/// The config.json of the base model, with the architecture and the number of classes of an adapter that PEFT wrote.
fn completed(
    mut config: Value,
    settings: &AdapterConfig,
    weights: &Weights,
) -> Result<Value, ModelError> {
    let entry = registry::entry(model_type(&config)?)?;
    let kind = match settings.task_type.as_deref() {
        Some("SEQ_CLS") => Some(HeadKind::SequenceClassification),
        Some("TOKEN_CLS") => Some(HeadKind::TokenClassification),
        Some("QUESTION_ANS") => Some(HeadKind::Span),
        Some("CAUSAL_LM") => Some(HeadKind::LanguageModel),
        _ => None,
    };
    let named = kind.and_then(|kind| entry.architecture_with(kind)).or(settings.architecture());
    if let Some(architecture) = named {
        config["architectures"] = json!([architecture]);
    }
    let scores =
        ["classifier.weight", "score.weight"].map(|name| format!("{ADAPTER_PREFIX}{name}"));
    if let Some(name) = scores.iter().find(|name| weights.contains(name)) {
        let count = weights.shape(name)?.first().copied().unwrap_or(0);
        if Labels::of(&config)?.names.len() as i64 != count
            && let Value::Object(keys) = &mut config
        {
            keys.remove("id2label");
            keys.remove("label2id");
            keys.insert("num_labels".to_owned(), json!(count));
        }
    }
    Ok(config)
}
