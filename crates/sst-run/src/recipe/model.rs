//! `[model]`: one that starts from random weights, or one that goes on from a folder.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sst_data::json_problem;
use sst_data::read::require_readable;
use sst_models::{InitOptions, ModelError, Positions, Queries};

use super::Keys;
use super::error::{Problem, require};
use super::limits::{MOST_REAL, MOST_TOKENS, MOST_WIDTH};
use super::nearest::{name, unknown_name};
use super::section::{self, without};

/// Parameters of a new model: 400 GB in fp32.
const MOST_PARAMETERS: f64 = 1e11;
/// Heads, and their width.
const MOST_HEADS: f64 = 65_536.0;
/// Layers.
const MOST_LAYERS: f64 = 1_024.0;
/// Positions that a model reads; those of Llama 4 are 10 million.
const MOST_POSITIONS: f64 = 16_777_216.0;

/// Keys of a model that follow from the tokenizer where the recipe does not give them. They stand last,
/// so that a resolved recipe has one order.
pub(crate) const FROM_TOKENIZER: [&str; 4] =
    ["vocab_size", "pad_token_id", "bos_token_id", "eos_token_id"];

/// What config.json calls the number of positions.
pub(super) const POSITIONS: [&str; 2] = ["max_position_embeddings", "n_positions"];

/// `[model]` with a `path`, as it is written. Without one, its keys are those of config.json.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FolderFile {
    path: String,
    allow_missing: Vec<String>,
    allow_unexpected: Vec<String>,
    config: Map<String, Value>,
}

/// `[model]`
#[derive(Debug, Clone, PartialEq)]
pub enum ModelChoice {
    /// A model that starts from random weights.
    New {
        /// The content of its config.json, `model_type` first (`type` in a recipe, by default `bert`). `vocab_size` is
        /// absent until the tokenizer is there, unless the recipe gives it.
        config: Map<String, Value>,
        /// `[model.init]`: how its weights start, where not as usual.
        init: InitOptions,
    },
    /// A model that goes on from a folder.
    Folder {
        /// The folder.
        path: String,
        /// Parameters that may be missing there, by the beginning of their name.
        allow_missing: Vec<String>,
        /// Tensors that may be left unused, by the beginning of their name.
        allow_unexpected: Vec<String>,
        /// Keys of its config.json that are other than there.
        config: Map<String, Value>,
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
    ],
    ..Keys::NONE
};

impl ModelChoice {
    /// Reads `[model]` and fills in the defaults of its type.
    pub(super) fn fill(given: &Map<String, Value>) -> Result<Self, Problem> {
        if given.contains_key("path") {
            if let Some(key) = ["type", "init"].into_iter().find(|key| given.contains_key(*key)) {
                let key = format!("model.{key}");
                return Err(Problem::new(
                    &key,
                    "has no place beside model.path, which says it all",
                ));
            }
            let file: FolderFile = section::parse("model", &Value::Object(given.clone()))?;
            let FolderFile { path, allow_missing, allow_unexpected, config } = file;
            return Ok(Self::Folder { path, allow_missing, allow_unexpected, config });
        }
        let known = || sst_models::list().iter().map(|entry| entry.model_type);
        let name = name("model.type", given.get("type").unwrap_or(&json!("bert")), known())?;
        let Some(entry) = sst_models::list().iter().find(|entry| entry.model_type == name) else {
            return Err(unknown_name("model.type", &name, known()));
        };
        let keys = without(given, &["type", "init"]);
        let defaults = (entry.default_config)();
        section::check_against("model", &keys, &defaults)?;
        let mut config = Map::from_iter([("model_type".to_owned(), json!(name))]);
        let of_tokenizer = |key: &str| FROM_TOKENIZER.contains(&key);
        for (key, default) in defaults.as_object().into_iter().flatten() {
            if key != "model_type" && !of_tokenizer(key) {
                config.insert(key.clone(), keys.get(key).unwrap_or(default).clone());
            }
        }
        let given_here = FROM_TOKENIZER.iter().filter_map(|key| keys.get_key_value(*key));
        config.extend(given_here.map(|(key, value)| (key.clone(), value.clone())));
        let init =
            given.get("init").map(|value| section::parse::<InitOptions>("model.init", value));
        Ok(Self::New { config, init: init_options(init.transpose()?.unwrap_or_default())? })
    }

    /// The longest row that the model reads, if its configuration says so.
    pub(super) fn positions(&self) -> Result<Option<usize>, Problem> {
        let limit = |config: &Value| {
            let limit = POSITIONS.iter().find_map(|key| config.get(*key));
            limit.and_then(Value::as_u64).map(|limit| limit as usize)
        };
        match self {
            Self::New { config, .. } => Ok(limit(&Value::Object(config.clone()))),
            Self::Folder { path, .. } => {
                if !Path::new(path).exists() {
                    return Err(Problem::new("model.path", format!("{path} does not exist")));
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
                let config = serde_json::from_str(&text).map_err(|error| {
                    let problem = format!("{} {}", file.display(), json_problem(&error));
                    Problem::new("model.path", problem)
                })?;
                Ok(limit(&config))
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let Self::New { config: model, init } = self else { return Ok(()) };
        // Whatever else is wrong is told of where the model is built.
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

    /// Refuses a new model of far too many parameters, counted roughly: enough to tell a slip from a large model.
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
        // Rotary positions have no table.
        let positions =
            if is_llama { 0.0 } else { number(["max_position_embeddings", "n_positions"]) };
        let rows = number(["vocab_size", ""]) + positions + number(["type_vocab_size", ""]);
        let matrices = if is_llama { 3.0 } else { 2.0 };
        let count = layers * (attention + matrices * width * inner) + rows * width;
        if count <= MOST_PARAMETERS {
            return Ok(());
        }
        let message =
            format!("is of about {count:.1e} parameters, more than {MOST_PARAMETERS:.0e}");
        Err(Problem::sentence("model", format!("model: the model that it describes {message}")))
    }
}

/// Fills in what applies, and refuses what does not.
fn init_options(given: InitOptions) -> Result<InitOptions, Problem> {
    let sinusoid = given.positions == Positions::Sinusoid;
    let alike = given.attention == Queries::Alike;
    let fill = |key: &str, value: Option<f64>, applies: bool, default: f64, what: &str| match (
        applies, value,
    ) {
        (true, value) => Ok(Some(value.unwrap_or(default))),
        (false, None) => Ok(None),
        (false, Some(_)) => {
            let message = format!("is for {what}; the others have initializer_range");
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

/// `[model]` as a recipe has it: `type` for config.json's `model_type`.
impl Serialize for ModelChoice {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut section = Map::new();
        match self {
            Self::New { config, init } => {
                for (key, value) in config {
                    let key = if key == "model_type" { "type" } else { key };
                    section.insert(key.to_owned(), value.clone());
                }
                section.insert("init".to_owned(), json!(init));
            }
            Self::Folder { path, allow_missing, allow_unexpected, config } => {
                section.insert("path".to_owned(), json!(path));
                section.insert("allow_missing".to_owned(), json!(allow_missing));
                section.insert("allow_unexpected".to_owned(), json!(allow_unexpected));
                section.insert("config".to_owned(), json!(config));
            }
        }
        section.serialize(to)
    }
}
