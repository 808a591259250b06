//! Reads adapter_config.json.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use sst_core::LoraConfig;
use sst_core::lora::LoraTargets;
use sst_data::{Harmless, Unused};

use super::CONFIG;
use crate::config::Refused;
use crate::error::ModelError;
use crate::files::{not_found, read_json};

/// The largest rank. A larger one is most likely an error, and would allocate memory that the file does not justify.
const MAX_RANK: i64 = 1 << 16;

/// The keys of adapter_config.json that sst uses.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct AdapterConfig {
    /// The folder of the base model.
    #[serde(rename = "base_model_name_or_path")]
    pub(super) base: Option<String>,
    peft_type: String,
    r: i64,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    #[serde(default)]
    use_rslora: bool,
    /// The kind of the task, such as `SEQ_CLS`.
    pub(super) task_type: Option<String>,
    /// The class of the base model, where there is no kind of task.
    auto_mapping: Option<Map<String, Value>>,
    /// The modules that were trained as a whole.
    modules_to_save: Option<Vec<String>>,
}

const USED: [&str; 9] = [
    "base_model_name_or_path",
    "peft_type",
    "r",
    "lora_alpha",
    "lora_dropout",
    "use_rslora",
    "task_type",
    "auto_mapping",
    "modules_to_save",
];

impl AdapterConfig {
    /// Reads adapter_config.json of a folder, and lists the keys that are not used.
    pub(super) fn read(folder: &Path) -> Result<(Self, Unused), ModelError> {
        let path = folder.join(CONFIG);
        let value: Value = read_json(&path)?.ok_or_else(|| not_found(&path))?;
        let refuse = |message: String| ModelError::BadFile { path: path.clone(), message };
        let config: Self =
            serde_path_to_error::deserialize(&value).map_err(|error| refuse(error.to_string()))?;
        if config.peft_type != "LORA" {
            let message = format!("peft_type: is {}, and sst reads LORA only", config.peft_type);
            return Err(refuse(message));
        }
        for (key, is_neutral, reason) in REFUSED {
            if value.get(key).is_some_and(|value| !value.is_null() && !is_neutral(value)) {
                return Err(refuse(format!("{key}: {reason}")));
            }
        }
        if !(1..=MAX_RANK).contains(&config.r) {
            return Err(refuse(format!("r: is {} and must be from 1 to {MAX_RANK}", config.r)));
        }
        if !config.lora_alpha.is_finite() || !(0.0..1.0).contains(&config.lora_dropout) {
            let message = "lora_alpha must be finite, and lora_dropout at least 0 and below 1";
            return Err(refuse(message.to_owned()));
        }
        let mut unused = Unused::new();
        let harmless: Vec<Harmless> =
            REFUSED.iter().map(|(key, ..)| (*key, "another value is an error")).collect();
        unused.add_keys(CONFIG, &value, USED, &[&harmless[..], HARMLESS].concat());
        Ok((config, unused))
    }

    /// The settings of LoRA for these layers.
    pub(super) fn lora(&self, layers: Vec<String>) -> LoraConfig {
        LoraConfig {
            rank: self.r,
            alpha: self.lora_alpha,
            dropout: self.lora_dropout,
            use_rslora: self.use_rslora,
            targets: LoraTargets::Named(layers),
        }
    }

    /// The class of the base model in transformers, if the file names it.
    pub(super) fn architecture(&self) -> Option<&str> {
        self.auto_mapping.as_ref()?.get("base_model_class")?.as_str()
    }

    /// The modules that were trained as a whole, sorted.
    pub(super) fn modules_to_save(&self) -> Vec<String> {
        let mut names = self.modules_to_save.clone().unwrap_or_default();
        names.sort();
        names.dedup();
        names
    }
}

fn is_false(value: &Value) -> bool {
    value == &Value::Bool(false)
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn never(_: &Value) -> bool {
    false
}

/// Initialisations that leave the weights of the base model as they are.
fn keeps_base(value: &Value) -> bool {
    value.is_boolean() || ["gaussian", "eva", "orthogonal"].iter().any(|name| value == name)
}

/// Keys that would change the results and that sst does not implement.
const REFUSED: [Refused; 20] = [
    ("bias", |value| value == "none", "sst trains no biases of the base model: only \"none\""),
    (
        "init_lora_weights",
        keeps_base,
        "this initialisation changes the weights of the base model: convert the adapter with \
         `path_initial_model_for_weight_conversion` of PEFT's save_pretrained",
    ),
    ("use_dora", is_false, "sst has no DoRA"),
    ("use_qalora", is_false, "sst has no QALoRA"),
    ("use_bdlora", is_false, "sst has no BD-LoRA"),
    ("lora_bias", is_false, "sst has no bias in `lora_B`"),
    ("rank_pattern", is_empty, "sst has one rank for all layers"),
    ("alpha_pattern", is_empty, "sst has one scale for all layers"),
    ("trainable_token_indices", is_empty, "sst trains no single rows of embeddings"),
    ("layer_replication", is_empty, "sst replicates no layers"),
    ("target_parameters", is_empty, "sst adapts linear layers only"),
    ("alora_invocation_tokens", is_empty, "sst has no aLoRA"),
    ("arrow_config", never, "sst has no Arrow"),
    ("kasa_config", never, "sst has no KaSA"),
    ("velora_config", never, "sst has no VeLoRA"),
    ("monteclora_config", never, "sst has no MonteCLoRA"),
    ("megatron_config", never, "sst has no layers of Megatron"),
    ("ensure_weight_tying", is_false, "sst ties no modules of adapters"),
    ("corda_config", never, "sst has no CorDA, which changes the weights of the base model"),
    ("lora_ga_config", never, "sst has no LoRA-GA, which changes the weights of the base model"),
];

/// Keys that do not change what sst computes, each with the reason.
const HARMLESS: &[Harmless] = &[
    ("target_modules", "the names of the tensors say which layers are adapted"),
    ("exclude_modules", "the names of the tensors say which layers are adapted"),
    ("layers_to_transform", "the names of the tensors say which layers are adapted"),
    ("layers_pattern", "the names of the tensors say which layers are adapted"),
    ("fan_in_fan_out", "the layout of a weight follows from the model"),
    ("inference_mode", "whether PEFT freezes the adapter"),
    ("eva_config", "settings of an initialisation"),
    ("loftq_config", "settings of an initialisation; init_lora_weights says which was used"),
    ("qalora_group_size", "of QALoRA alone"),
    ("megatron_core", "the name of a Python module"),
    ("peft_version", "says which release wrote the file"),
    ("revision", "says which revision of the hub the base model was"),
];
