//! `[model]`: a new model with random weights, or an existing one from a folder.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sst_core::{HeadKind, LoraConfig};
use sst_data::json_problem;
use sst_data::read::require_readable;
use sst_models::{InitOptions, ModelError, Positions, Queries};

use super::error::{Problem, require};
use super::head::HeadChoice;
use super::limits::{MOST_REAL, MOST_TOKENS, MOST_WIDTH};
use super::nearest::{name, unknown_name};
use super::of_model::OfModel;
use super::section::{self, without};
use super::{Idle, Keys, RunConfig, lora};

/// The largest number of parameters of a new model: 400 GB in fp32.
const MOST_PARAMETERS: f64 = 1e11;
/// The largest number of attention heads, and the largest head size.
const MOST_HEADS: f64 = 65_536.0;
/// The largest number of layers.
const MOST_LAYERS: f64 = 1_024.0;
/// The most pixels in a row or a column, and the most channels.
const MOST_SIDE: f64 = 65_536.0;
/// The largest context length; that of Llama 4 is 10 million.
const MOST_POSITIONS: f64 = 16_777_216.0;

/// Keys of a model that are taken from the tokenizer unless the recipe sets them. They are written last, so that the
/// order of keys in a resolved recipe does not vary.
pub(crate) const FROM_TOKENIZER: [&str; 4] =
    ["vocab_size", "pad_token_id", "bos_token_id", "eos_token_id"];

/// The section of config.json that describes the text encoder of a model with two encoders.
pub(crate) const TEXT_CONFIG: &str = "text_config";

/// The keys that describe the text encoder: the whole config.json, or its section for that.
pub(crate) fn text_config(config: &Map<String, Value>) -> &Map<String, Value> {
    config.get(TEXT_CONFIG).and_then(Value::as_object).unwrap_or(config)
}

/// Changes the keys that describe the text encoder.
pub(crate) fn change_text_config<T>(
    config: &mut Map<String, Value>,
    change: impl FnOnce(&mut Map<String, Value>) -> T,
) -> T {
    match config.get_mut(TEXT_CONFIG) {
        Some(Value::Object(text)) => change(text),
        _ => change(config),
    }
}

/// The keys of config.json that describe the classes of a head. They follow from the labels of the data.
const CLASS_KEYS: [&str; 4] = ["id2label", "label2id", "num_labels", "problem_type"];

/// The names that config.json files use for the context length.
pub(crate) const POSITIONS: [&str; 2] = ["max_position_embeddings", "n_positions"];

/// `[model]` with a `path`, as it is written. Without `path`, the keys are those of config.json.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FolderFile {
    path: String,
    allow_missing: Vec<String>,
    allow_unexpected: Vec<String>,
    config: Map<String, Value>,
    head: Option<Value>,
    lora: Option<Value>,
}

/// `[model]`
#[derive(Debug, Clone, PartialEq)]
pub enum ModelChoice {
    /// A new model with random weights.
    New {
        /// The content of its config.json, `model_type` first (called `type` in a recipe; default: `bert`).
        /// `vocab_size` is absent until the tokenizer is known, unless the recipe sets it.
        config: Map<String, Value>,
        /// `[model.init]`: how the weights are initialized.
        init: InitOptions,
        /// `[model.head]`: the classification head.
        head: HeadChoice,
    },
    /// A model that is loaded from a folder.
    Folder {
        /// The path of the folder.
        path: String,
        /// Prefixes of the names of parameters that may be missing in the folder.
        allow_missing: Vec<String>,
        /// Prefixes of the names of tensors that may stay unused.
        allow_unexpected: Vec<String>,
        /// Keys of config.json to override.
        config: Map<String, Value>,
        /// `[model.head]`: the classification head.
        head: HeadChoice,
        /// `[model.lora]`: LoRA; `None` to train the weights themselves.
        lora: Option<LoraConfig>,
    },
}

pub(super) const KEYS: Keys = Keys {
    limits: &[
        ("model.vocab_size", 1.0, MOST_TOKENS),
        ("model.hidden_size", 1.0, MOST_WIDTH),
        ("model.n_embd", 1.0, MOST_WIDTH),
        ("model.intermediate_size", 1.0, 16.0 * MOST_WIDTH),
        ("model.n_inner", 1.0, 16.0 * MOST_WIDTH),
        ("model.num_hidden_layers", 1.0, MOST_LAYERS),
        ("model.n_layer", 1.0, MOST_LAYERS),
        ("model.num_attention_heads", 1.0, MOST_HEADS),
        ("model.num_key_value_heads", 1.0, MOST_HEADS),
        ("model.n_head", 1.0, MOST_HEADS),
        ("model.head_dim", 1.0, MOST_HEADS),
        ("model.max_position_embeddings", 1.0, MOST_POSITIONS),
        ("model.n_positions", 1.0, MOST_POSITIONS),
        ("model.type_vocab_size", 1.0, MOST_WIDTH),
        ("model.image_size", 1.0, MOST_SIDE),
        ("model.patch_size", 1.0, MOST_SIDE),
        ("model.num_channels", 1.0, MOST_SIDE),
        ("model.pooler_output_size", 1.0, MOST_WIDTH),
        ("model.decoder_hidden_size", 1.0, MOST_WIDTH),
        ("model.decoder_num_hidden_layers", 1.0, MOST_LAYERS),
        ("model.decoder_num_attention_heads", 1.0, MOST_HEADS),
        ("model.decoder_intermediate_size", 1.0, 16.0 * MOST_WIDTH),
        ("model.mask_ratio", 0.0, 1.0),
        ("model.projection_dim", 1.0, MOST_WIDTH),
        ("model.projection_size", 1.0, MOST_WIDTH),
        ("model.logit_scale_init_value", -100.0, 100.0),
        ("model.initializer_factor", 0.0, 1e3),
        ("model.hidden_dropout_prob", 0.0, 1.0),
        ("model.attention_probs_dropout_prob", 0.0, 1.0),
        ("model.attention_dropout", 0.0, 1.0),
        ("model.resid_pdrop", 0.0, 1.0),
        ("model.embd_pdrop", 0.0, 1.0),
        ("model.attn_pdrop", 0.0, 1.0),
        ("model.initializer_range", 0.0, 1e3),
        ("model.layer_norm_eps", 0.0, 1.0),
        ("model.layer_norm_epsilon", 0.0, 1.0),
        ("model.rms_norm_eps", 0.0, 1.0),
        ("model.pad_token_id", 0.0, MOST_TOKENS),
        ("model.bos_token_id", 0.0, MOST_TOKENS),
        ("model.eos_token_id", 0.0, MOST_TOKENS),
        ("model.rope_theta", 1e-3, MOST_REAL),
        ("model.init.amplitude", 0.0, 1e3),
        ("model.init.base", 1.0, MOST_REAL),
        ("model.init.attention_std", 0.0, 1e3),
        ("model.head.hidden_size", 1.0, 16.0 * MOST_WIDTH),
        ("model.head.dropout", 0.0, 1.0),
        ("model.lora.rank", 1.0, MOST_WIDTH),
        ("model.lora.alpha", 0.0, 1e6),
        ("model.lora.dropout", 0.0, 1.0),
    ],
    idle,
    ..Keys::NONE
};

/// The layers of a classification head have no effect if no objective trains one.
fn idle(config: &RunConfig) -> Vec<Idle> {
    let classifies = |kind: HeadKind| {
        matches!(kind, HeadKind::SequenceClassification | HeadKind::TokenClassification)
    };
    let mut heads = config.tasks.list.iter().filter_map(|task| {
        sst_objectives::entry(task.objective_name()).ok().and_then(|entry| entry.head)
    });
    match heads.any(classifies) {
        true => Vec::new(),
        false => {
            let why = "no objective of the recipe trains a classification head";
            vec![("model.head.type".to_owned(), Value::Null, why)]
        }
    }
}

impl ModelChoice {
    /// Reads `[model]` and fills in the defaults of its type.
    pub(super) fn fill(given: &Map<String, Value>) -> Result<Self, Problem> {
        if given.contains_key("path") {
            if let Some(key) = ["type", "init"].into_iter().find(|key| given.contains_key(*key)) {
                let key = format!("model.{key}");
                return Err(Problem::new(
                    &key,
                    "cannot be combined with model.path: the folder's config.json defines the model",
                ));
            }
            let file: FolderFile = section::parse("model", &Value::Object(given.clone()))?;
            let FolderFile { path, allow_missing, allow_unexpected, config, head, lora } = file;
            let head = HeadChoice::fill(head.as_ref())?;
            let lora = lora.as_ref().map(lora::fill).transpose()?;
            return Ok(Self::Folder { path, allow_missing, allow_unexpected, config, head, lora });
        }
        if given.contains_key("lora") {
            let message = "needs model.path: LoRA adapts the weights of a trained model";
            return Err(Problem::new("model.lora", message));
        }
        let known = || sst_models::list().iter().map(|entry| entry.model_type);
        let name = name("model.type", given.get("type").unwrap_or(&json!("bert")), known())?;
        let Some(entry) = sst_models::list().iter().find(|entry| entry.model_type == name) else {
            return Err(unknown_name("model.type", &name, known()));
        };
        let keys = without(given, &["type", "init", "head"]);
        let defaults = (entry.default_config)();
        section::check_against("model", &keys, &defaults)?;
        let mut config = Map::from_iter([("model_type".to_owned(), json!(name))]);
        fill_config(&mut config, &keys, &defaults);
        let init =
            given.get("init").map(|value| section::parse::<InitOptions>("model.init", value));
        let init = init_options(init.transpose()?.unwrap_or_default())?;
        let head = HeadChoice::fill(given.get("head"))?;
        require(
            !head.new,
            "model.head.new",
            "applies only with model.path: all of a new model is new",
        )?;
        Ok(Self::New { config, init, head })
    }

    /// What other sections take from its configuration.
    pub(super) fn facts(&self) -> Result<OfModel, Problem> {
        let config = self.read_config()?;
        let image_size = sst_models::image_size(&config);
        let limit = config.as_object().and_then(|config| {
            let text = text_config(config);
            POSITIONS.iter().find_map(|key| text.get(*key))
        });
        let positions = limit.and_then(Value::as_u64).map(|limit| limit as usize);
        let key = match self {
            Self::New { .. } => "model.type",
            Self::Folder { .. } => "model.path",
        };
        let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let reads_text = image_size.is_none() || config.get("text_config").is_some();
        Ok(OfModel { model_type: model_type.to_owned(), key, reads_text, positions, image_size })
    }

    /// The config.json of the model: that of a new model without what follows from the tokenizer, or that of the folder.
    pub(super) fn read_config(&self) -> Result<Value, Problem> {
        match self {
            Self::New { config, .. } => Ok(Value::Object(config.clone())),
            Self::Folder { path, .. } => {
                if !Path::new(path).exists() {
                    return Err(Problem::new("model.path", format!("{path} does not exist")));
                }
                if sst_models::is_adapter(Path::new(path)) {
                    let message = format!(
                        "{path} holds an adapter, and a whole model is needed: make one with `sst merge --model {path} \
                         --out FOLDER`"
                    );
                    return Err(Problem::new("model.path", message));
                }
                let encoder = sst_models::encoder_folder(Path::new(path))
                    .map_err(|error| Problem::new("model.path", error.to_string()))?;
                let file = encoder.join("config.json");
                if !file.exists() {
                    let message = format!(
                        "{path} holds no config.json: name a Hugging Face model folder, such as \
                         runs/NAME/checkpoints/latest/model"
                    );
                    return Err(Problem::new("model.path", message));
                }
                let text = require_readable(&file).and_then(|()| std::fs::read_to_string(&file));
                let text = text.map_err(|error| {
                    Problem::new("model.path", format!("cannot read {}: {error}", file.display()))
                })?;
                serde_json::from_str(&text).map_err(|error| {
                    let problem = format!("{} {}", file.display(), json_problem(&error));
                    Problem::new("model.path", problem)
                })
            }
        }
    }

    /// The type of the model, if it can be read.
    pub(super) fn model_type(&self) -> Option<String> {
        let read = |path: &str| -> Option<Map<String, Value>> {
            let file = sst_models::encoder_folder(Path::new(path)).ok()?.join("config.json");
            serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()
        };
        let config = match self {
            Self::New { config, .. } => config.clone(),
            Self::Folder { path, .. } => read(path)?,
        };
        config.get("model_type")?.as_str().map(str::to_owned)
    }

    /// `[model.head]`.
    pub fn head(&self) -> HeadChoice {
        match self {
            Self::New { head, .. } | Self::Folder { head, .. } => *head,
        }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        if let Self::Folder { config, .. } = self
            && let Some(key) = CLASS_KEYS.iter().find(|key| config.contains_key(**key))
        {
            let message =
                "follows from the labels: name those with data.labels, and leave this out";
            return Err(Problem::new(&format!("model.config.{key}"), message));
        }
        self.head().check()?;
        let (model, init) = match self {
            Self::New { config, init, .. } => (config, init),
            Self::Folder { lora, .. } => return lora.as_ref().map_or(Ok(()), lora::check),
        };
        // Other errors are reported where the model is built.
        let checked = sst_models::check_config(&Value::Object(model.clone()));
        if let Err(ModelError::Config { path, message }) = checked {
            return Err(section::problem("model", &path, &message));
        }
        for (key, value) in [("amplitude", init.amplitude), ("attention_std", init.attention_std)] {
            let fits = value.is_none_or(|value| value > 0.0);
            require(fits, &format!("model.init.{key}"), "must be above 0")?;
        }
        let fits = init.base.is_none_or(|base| base > 1.0);
        require(fits, "model.init.base", "must be above 1")
    }

    /// Refuses a new model with far too many parameters. The count is rough, but enough to tell a typing error from a
    /// large model.
    pub(super) fn check_size(&self) -> Result<(), Problem> {
        let Self::New { config, .. } = self else { return Ok(()) };
        let number = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| Some((*name, config.get(*name)?.as_f64()?)));
            found.map_or(0.0, |(_, value)| value)
        };
        let width = number(["hidden_size", "n_embd"]);
        let inner = match number(["intermediate_size", "n_inner"]) {
            0.0 => 4.0 * width,
            inner => inner,
        };
        let layers = number(["num_hidden_layers", "n_layer"]);
        let is_llama = config.get("model_type").is_some_and(|name| name == "llama");
        let heads = number(["num_attention_heads", "n_head"]) * number(["head_dim", ""]);
        let attention = 2.0 * width * (width + width.max(heads));
        // Rotary position embeddings have no parameters.
        let positions =
            if is_llama { 0.0 } else { number(["max_position_embeddings", "n_positions"]) };
        let rows = number(["vocab_size", ""]) + positions + number(["type_vocab_size", ""]);
        let matrices = if is_llama { 3.0 } else { 2.0 };
        let count = layers * (attention + matrices * width * inner) + rows * width;
        if count <= MOST_PARAMETERS {
            return Ok(());
        }
        let message = format!("has about {count:.1e} parameters, more than {MOST_PARAMETERS:.0e}");
        Err(Problem::sentence("model", format!("model: the model that it describes {message}")))
    }
}

/// Adds the keys of `given`, and `defaults` for the others, section by section. Those that follow from the tokenizer are
/// left out unless they are given, and stand last.
fn fill_config(config: &mut Map<String, Value>, given: &Map<String, Value>, defaults: &Value) {
    let of_tokenizer = |key: &str| FROM_TOKENIZER.contains(&key);
    for (key, default) in defaults.as_object().into_iter().flatten() {
        if key == "model_type" && config.contains_key(key) || of_tokenizer(key) {
            continue;
        }
        let value = match (given.get(key), default) {
            (Some(Value::Object(given)), Value::Object(_)) => filled(given, default),
            (None, Value::Object(_)) => filled(&Map::new(), default),
            (value, default) => value.unwrap_or(default).clone(),
        };
        config.insert(key.clone(), value);
    }
    // A section may have keys that are not known here, such as those of another type of encoder. They are checked with the
    // whole configuration.
    let from_tokenizer = FROM_TOKENIZER.iter().filter_map(|key| given.get_key_value(*key));
    for (key, value) in from_tokenizer.chain(given) {
        config.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

fn filled(given: &Map<String, Value>, defaults: &Value) -> Value {
    let mut section = Map::new();
    fill_config(&mut section, given, defaults);
    Value::Object(section)
}

/// Fills in the keys of `[model.init]` that apply, and refuses those that do not.
fn init_options(given: InitOptions) -> Result<InitOptions, Problem> {
    let sinusoid = given.positions == Positions::Sinusoid;
    let alike = given.attention == Queries::Alike;
    let fill = |key: &str, value: Option<f64>, applies: bool, default: f64, what: &str| match (
        applies, value,
    ) {
        (true, value) => Ok(Some(value.unwrap_or(default))),
        (false, None) => Ok(None),
        (false, Some(_)) => {
            let message = format!("applies only to {what}; otherwise initializer_range is used");
            Err(Problem::new(&format!("model.init.{key}"), message))
        }
    };
    let (positions, attention) = ("positions = \"sinusoid\"", "attention = \"alike\"");
    let InitOptions { amplitude, base, attention_std, .. } = given;
    Ok(InitOptions {
        amplitude: fill("amplitude", amplitude, sinusoid, InitOptions::AMPLITUDE, positions)?,
        base: fill("base", base, sinusoid, InitOptions::BASE, positions)?,
        attention_std: fill(
            "attention_std",
            attention_std,
            alike,
            InitOptions::ATTENTION_STD,
            attention,
        )?,
        ..given
    })
}

/// Converts to `[model]` of a recipe, where config.json's `model_type` is called `type`.
impl Serialize for ModelChoice {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut section = Map::new();
        match self {
            Self::New { config, init, head } => {
                for (key, value) in config {
                    let key = if key == "model_type" { "type" } else { key };
                    section.insert(key.to_owned(), value.clone());
                }
                section.insert("init".to_owned(), json!(init));
                section.extend(head.to_json().map(|head| ("head".to_owned(), head)));
            }
            Self::Folder { path, allow_missing, allow_unexpected, config, head, lora } => {
                section.insert("path".to_owned(), json!(path));
                section.insert("allow_missing".to_owned(), json!(allow_missing));
                section.insert("allow_unexpected".to_owned(), json!(allow_unexpected));
                section.insert("config".to_owned(), json!(config));
                section.extend(head.to_json().map(|head| ("head".to_owned(), head)));
                section.extend(lora.as_ref().map(|lora| ("lora".to_owned(), lora::to_json(lora))));
            }
        }
        section.serialize(to)
    }
}
