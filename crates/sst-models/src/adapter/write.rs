//! Writes the folder of an adapter as PEFT reads it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use sst_core::checkpoint::write_tensors;
use sst_core::lora::{ADAPTER_PREFIX, LoraTargets};
use sst_core::{Adapter, HeadKind, Model};
use sst_data::atomic;
use sst_kernels::WeightLayout;
use tch::Tensor;

use super::base::Record;
use super::{BASE, CONFIG, WEIGHTS};
use crate::error::ModelError;
use crate::registry;

/// The files of an adapter, on the host.
#[derive(Debug)]
pub(crate) struct AdapterFiles {
    tensors: BTreeMap<String, Tensor>,
    config: Value,
    base: Value,
}

impl AdapterFiles {
    /// Copies the adapter of `model`.
    pub(crate) fn copy(model: &dyn Model, adapter: &Adapter) -> Result<Self, ModelError> {
        let tensors = model.params().saved_to_cpu()?;
        let tensors = tensors.into_iter().map(|(name, x)| (format!("{ADAPTER_PREFIX}{name}"), x));
        let record = serde_json::json!(Record::of(&adapter.base));
        let (tensors, config) = (tensors.collect(), config(model, adapter)?);
        Ok(Self { tensors, config, base: record })
    }

    /// The folder of the base model.
    pub(crate) fn base_model(&self) -> String {
        self.config["base_model_name_or_path"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<(), ModelError> {
        write_tensors(&folder.join(WEIGHTS), &self.tensors, &[])?;
        for (name, value) in [(CONFIG, &self.config), (BASE, &self.base)] {
            let path = folder.join(name);
            let written = atomic::write(&path, format!("{value:#}\n").as_bytes());
            written.map_err(|source| ModelError::Io { path, source })?;
        }
        Ok(())
    }
}

/// The content of adapter_config.json.
fn config(model: &dyn Model, adapter: &Adapter) -> Result<Value, ModelError> {
    let entry = registry::entry(model.model_type())?;
    let config = model.config();
    let architecture = config.pointer("/architectures/0").and_then(Value::as_str);
    let task_type = match entry.task(architecture).map(|(_, kind)| kind) {
        Some(HeadKind::TokenClassification) => Some("TOKEN_CLS"),
        Some(HeadKind::Span) => Some("QUESTION_ANS"),
        Some(_) => Some("SEQ_CLS"),
        None if model.lm_head().is_ok() && model.decoder().is_ok() => Some("CAUSAL_LM"),
        None if model.lm_head().is_ok() => None,
        None => Some("FEATURE_EXTRACTION"),
    };
    let mapping = match (task_type, architecture) {
        (None, Some(class)) => {
            let name = model.model_type();
            let library = format!("transformers.models.{name}.modeling_{name}");
            json!({"base_model_class": class, "parent_library": library})
        }
        _ => Value::Null,
    };
    let layers: Vec<(&str, WeightLayout)> = model.params().adapted_layers().collect();
    let targets = match &adapter.lora.targets {
        LoraTargets::Named(names) => names.clone(),
        LoraTargets::AllLinear => layers.iter().map(|(name, _)| (*name).to_owned()).collect(),
    };
    let lora = &adapter.lora;
    // PEFT has whole numbers.
    let alpha = match lora.alpha.fract() == 0.0 {
        true => json!(lora.alpha as i64),
        false => json!(lora.alpha),
    };
    let modules = &adapter.modules_to_save;
    Ok(json!({
        "alpha_pattern": {},
        "auto_mapping": mapping,
        "base_model_name_or_path": adapter.base.path.to_string_lossy(),
        "bias": "none",
        "fan_in_fan_out": layers.iter().any(|(_, layout)| *layout == WeightLayout::InOut),
        "inference_mode": true,
        "init_lora_weights": true,
        "layers_pattern": null,
        "layers_to_transform": null,
        "lora_alpha": alpha,
        "lora_dropout": lora.dropout,
        "modules_to_save": if modules.is_empty() { Value::Null } else { json!(modules) },
        "peft_type": "LORA",
        "r": lora.rank,
        "rank_pattern": {},
        "revision": null,
        "target_modules": targets,
        "task_type": task_type,
        "use_dora": false,
        "use_rslora": lora.use_rslora,
    }))
}
