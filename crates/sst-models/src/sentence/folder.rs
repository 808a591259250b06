//! The JSON files of such a folder.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sst_core::nn::Pooling;

use crate::error::ModelError;

pub(super) const MODULES: &str = "modules.json";
pub(super) const SENTENCE: &str = "sentence_bert_config.json";
/// What releases before 2 called it, by the kind of encoder.
const OLDER: [&str; 6] = [
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];
pub(super) const PROMPTS: &str = "config_sentence_transformers.json";

/// An entry of modules.json.
#[derive(Debug, Deserialize)]
struct Module {
    /// Its folder below; empty for the model's own.
    path: String,
    /// A Python class.
    #[serde(rename = "type")]
    class: String,
}

/// sentence_bert_config.json, what matters of it.
#[derive(Debug, Default, Deserialize)]
struct Sentence {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

/// config_sentence_transformers.json, what matters of it.
#[derive(Debug, Default, Deserialize)]
struct Prompts {
    #[serde(default)]
    prompts: Map<String, Value>,
    default_prompt_name: Option<String>,
}

/// What the folder says.
#[derive(Debug)]
pub(super) struct Layout {
    /// The Hugging Face folder of the encoder.
    pub(super) encoder: PathBuf,
    pub(super) poolings: Vec<Pooling>,
    pub(super) include_prompt: bool,
    /// Folders of linear layers.
    pub(super) dense: Vec<PathBuf>,
    pub(super) normalize: bool,
    pub(super) max_length: Option<usize>,
    pub(super) lowercase: bool,
    /// Put before each text.
    pub(super) prompt: String,
}

impl Layout {
    /// Reads the folder; `None` if it has no modules.json.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ModelError> {
        let path = folder.join(MODULES);
        let Some(modules) = read::<Vec<Module>>(&path)? else { return Ok(None) };
        let refuse = |message: String| Err(ModelError::BadFile { path: path.clone(), message });
        let mut layout = Self {
            encoder: folder.to_owned(),
            poolings: Vec::new(),
            include_prompt: true,
            dense: Vec::new(),
            normalize: false,
            max_length: None,
            lowercase: false,
            prompt: String::new(),
        };
        for (place, module) in modules.iter().enumerate() {
            let below = folder.join(&module.path);
            let class = module.class.rsplit('.').next().unwrap_or_default();
            match (class, place, layout.poolings.is_empty(), layout.normalize) {
                ("Transformer", 0, ..) => {
                    let mut sentence: Option<Sentence> = read(&below.join(SENTENCE))?;
                    for name in OLDER {
                        if sentence.is_none() {
                            sentence = read(&below.join(name))?;
                        }
                    }
                    let sentence = sentence.unwrap_or_default();
                    layout.max_length = sentence.max_seq_length;
                    layout.lowercase = sentence.do_lower_case;
                    layout.encoder = below;
                }
                ("Pooling", 1, true, _) => {
                    (layout.poolings, layout.include_prompt) = pooling(&below.join("config.json"))?;
                }
                ("Dense", 2.., false, false) => layout.dense.push(below),
                ("Normalize", 2.., false, false) => layout.normalize = true,
                _ => {
                    return refuse(format!(
                        "module {place} is {}: sst reads a Transformer, a Pooling, then Dense modules and at \
                         last a Normalize",
                        module.class
                    ));
                }
            }
        }
        if layout.poolings.is_empty() {
            return refuse("there is no Pooling module".to_owned());
        }
        let prompts: Prompts = read(&folder.join(PROMPTS))?.unwrap_or_default();
        if let Some(name) = prompts.default_prompt_name {
            match prompts.prompts.get(&name).and_then(Value::as_str) {
                Some(prompt) => layout.prompt = prompt.to_owned(),
                None => {
                    let message = format!("the default prompt `{name}` is not among the prompts");
                    return Err(ModelError::BadFile { path: folder.join(PROMPTS), message });
                }
            }
        }
        if !layout.prompt.is_empty() && !layout.include_prompt {
            return refuse("a prompt that pooling leaves out is not supported".to_owned());
        }
        Ok(Some(layout))
    }
}

/// A JSON file, if it is there.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ModelError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ModelError::Io { path: path.to_owned(), source }),
    };
    let bad = |error: serde_json::Error| ModelError::BadFile {
        path: path.to_owned(),
        message: error.to_string(),
    };
    serde_json::from_str(&text).map(Some).map_err(bad)
}

/// A [`read`] file that must be there.
pub(super) fn need<T: DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
    read(path)?.ok_or_else(|| ModelError::Io { path: path.to_owned(), source: missing() })
}

/// The key of a pooling in configurations before release 6, one flag each.
pub(super) fn flag(pooling: Pooling) -> &'static str {
    match pooling {
        Pooling::Cls => "pooling_mode_cls_token",
        Pooling::Max => "pooling_mode_max_tokens",
        Pooling::Mean => "pooling_mode_mean_tokens",
        Pooling::MeanSqrtLen => "pooling_mode_mean_sqrt_len_tokens",
        Pooling::WeightedMean => "pooling_mode_weightedmean_tokens",
        Pooling::LastToken => "pooling_mode_lasttoken",
    }
}

/// The poolings of a configuration, and whether a prompt's tokens take part.
fn pooling(path: &Path) -> Result<(Vec<Pooling>, bool), ModelError> {
    let config: Map<String, Value> = need(path)?;
    let include = config.get("include_prompt") != Some(&Value::Bool(false));
    let named = match config.get("pooling_mode") {
        None => {
            let is_on = |pooling: &Pooling| config.get(flag(*pooling)) == Some(&Value::Bool(true));
            let on: Vec<Pooling> = Pooling::ALL.into_iter().filter(is_on).collect();
            return Ok((if on.is_empty() { vec![Pooling::Mean] } else { on }, include));
        }
        Some(Value::Array(names)) => names.clone(),
        Some(name) => vec![name.clone()],
    };
    let poolings = named.into_iter().map(serde_json::from_value).collect::<Result<Vec<_>, _>>();
    match poolings {
        Ok(poolings) if !poolings.is_empty() => Ok((poolings, include)),
        Ok(_) => Err(ModelError::BadFile {
            path: path.to_owned(),
            message: "pooling_mode is empty".to_owned(),
        }),
        Err(error) => Err(ModelError::BadFile {
            path: path.to_owned(),
            message: format!("pooling_mode: {error}"),
        }),
    }
}
