//! Reads the JSON files of a sentence-transformers folder.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use sst_core::nn::Pooling;
use sst_data::{Unused, UnusedKind};

use super::keys::{self, unused_keys};
use super::prompts::{PROMPTS, Prompts};
use crate::error::ModelError;
use crate::files::{self, not_found, read_json};

pub(super) const MODULES: &str = "modules.json";
pub(super) const SENTENCE: &str = "sentence_bert_config.json";
/// The names of this file before release 2, which depended on the kind of encoder.
const OLDER: [&str; 6] = [
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];
/// The largest number of modules in a folder, and of poolings in a module. Each of them costs memory for every text.
const MAX_LIST: usize = 16;

/// An entry of modules.json.
#[derive(Debug, Deserialize)]
struct Module {
    /// The folder of the module, relative to the model's folder; empty for the model's folder itself.
    path: String,
    /// The name of a Python class.
    #[serde(rename = "type")]
    class: String,
}

/// The keys of sentence_bert_config.json that sst reads.
#[derive(Debug, Default, Deserialize)]
struct Sentence {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

/// The content of the folder.
#[derive(Debug)]
pub(super) struct SentenceFolder {
    /// The Hugging Face folder of the encoder.
    pub(super) encoder: PathBuf,
    pub(super) poolings: Vec<Pooling>,
    pub(super) include_prompt: bool,
    /// The folders of linear layers, with their names in messages.
    pub(super) dense: Vec<(PathBuf, String)>,
    pub(super) normalize: bool,
    pub(super) max_length: Option<usize>,
    pub(super) lowercase: bool,
    pub(super) prompts: Prompts,
    /// Files and keys that were found and not used.
    pub(super) unused: Unused,
}

impl SentenceFolder {
    /// Reads the folder; `None` if it has no modules.json.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ModelError> {
        let path = folder.join(MODULES);
        let Some(list) = read_json::<Vec<Value>>(&path)? else { return Ok(None) };
        let refuse = |message: String| Err(ModelError::BadFile { path: path.clone(), message });
        if list.len() > MAX_LIST {
            return refuse(format!("names {} modules; sst reads {MAX_LIST} at most", list.len()));
        }
        let mut layout = Self {
            encoder: folder.to_owned(),
            poolings: Vec::new(),
            include_prompt: true,
            dense: Vec::new(),
            normalize: false,
            max_length: None,
            lowercase: false,
            prompts: Prompts::read(&folder.join(PROMPTS))?,
            unused: Unused::new(),
        };
        layout.unused.extend(layout.prompts.unused());
        let mut known = vec![folder.to_owned()];
        for (place, value) in list.into_iter().enumerate() {
            unused_keys(&mut layout.unused, MODULES, &value, &keys::MODULE);
            let module: Module = serde_json::from_value(value).map_err(|error| {
                let message = format!("module {place}: {error}");
                ModelError::BadFile { path: path.clone(), message }
            })?;
            let Some(below) = below(folder, &module.path) else {
                return refuse(format!(
                    "module {place} lies at `{}`: its path must be a folder within this one",
                    module.path
                ));
            };
            known.push(below.clone());
            let class = module.class.rsplit('.').next().unwrap_or_default();
            match (class, place, layout.poolings.is_empty(), layout.normalize) {
                ("Transformer", 0, ..) => layout.transformer(below)?,
                ("Pooling", 1, true, _) => layout.pooling(&below, &module.path)?,
                ("Dense", 2.., false, false) => layout.dense.push((below, module.path)),
                ("Normalize", 2.., false, false) => {
                    layout.normalize = true;
                    let file = format!("{}/config.json", module.path);
                    if let Some(config) = read_json::<Value>(&below.join("config.json"))? {
                        unused_keys(&mut layout.unused, &file, &config, &keys::NORMALIZE);
                    }
                }
                // Dropout is active in training only.
                ("Dropout", 2.., false, _) => {}
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
        if !layout.prompts.default_prompt().is_empty() && !layout.include_prompt {
            return refuse("a prompt that pooling leaves out is not supported".to_owned());
        }
        layout.unused_files(folder, &known)?;
        Ok(Some(layout))
    }

    /// Reads the settings of the encoder from its folder.
    fn transformer(&mut self, folder: PathBuf) -> Result<(), ModelError> {
        for name in std::iter::once(SENTENCE).chain(OLDER) {
            let path = folder.join(name);
            let Some(value) = read_json::<Value>(&path)? else { continue };
            unused_keys(&mut self.unused, name, &value, &keys::SENTENCE);
            let sentence: Sentence = serde_json::from_value(value)
                .map_err(|error| ModelError::BadFile { path, message: error.to_string() })?;
            self.max_length = sentence.max_seq_length;
            self.lowercase = sentence.do_lower_case;
            break;
        }
        self.encoder = folder;
        Ok(())
    }

    /// Reads the poolings of a module from its folder.
    fn pooling(&mut self, folder: &Path, name: &str) -> Result<(), ModelError> {
        let path = folder.join("config.json");
        let config: Value = read_json(&path)?.ok_or_else(|| not_found(&path))?;
        let flags = Pooling::ALL.map(flag);
        let flags = flags.map(|flag| (flag, keys::Rule::Used, ""));
        let known = keys::POOLING.into_iter().chain(flags);
        let file = format!("{name}/config.json");
        unused_keys(&mut self.unused, &file, &config, &known.collect::<Vec<_>>());
        (self.poolings, self.include_prompt) =
            poolings(&config).map_err(|message| ModelError::BadFile { path, message })?;
        Ok(())
    }

    /// Adds the files of the folder that belong to no module. Files in the encoder's folder are reported when it is
    /// loaded.
    fn unused_files(&mut self, folder: &Path, modules: &[PathBuf]) -> Result<(), ModelError> {
        if self.encoder == *folder {
            return Ok(());
        }
        for (name, path) in files::entries(folder)? {
            let is_module = modules.contains(&path);
            if !is_module && !files::SENTENCE.contains(&&*name) && !files::is_harmless(&name) {
                self.unused.add(UnusedKind::File, name);
            }
        }
        Ok(())
    }
}

/// The Hugging Face folder of the encoder in `folder`: the first module of modules.json, or `folder` itself if it has
/// a config.json or no modules.json.
///
/// # Errors
/// If modules.json cannot be read, or its first module is not within the folder.
pub fn encoder_folder(folder: &Path) -> Result<PathBuf, ModelError> {
    if folder.join("config.json").is_file() || !folder.join(MODULES).is_file() {
        return Ok(folder.to_owned());
    }
    let path = folder.join(MODULES);
    let modules = read_json::<Vec<Value>>(&path)?.unwrap_or_default();
    let refuse = |message: String| ModelError::BadFile { path: path.clone(), message };
    let Some(first) = modules.into_iter().next() else {
        return Err(refuse("names no module".to_owned()));
    };
    let module: Module =
        serde_json::from_value(first).map_err(|error| refuse(format!("module 0: {error}")))?;
    below(folder, &module.path).ok_or_else(|| {
        let message = format!(
            "module 0 lies at `{}`: its path must be a folder within this one",
            module.path
        );
        refuse(message)
    })
}

/// The files and modules of a sentence-transformers folder that are lost if only `encoder`, a folder within it, is
/// trained. Files that are listed as harmless are left out.
///
/// # Errors
/// If the folder cannot be read.
pub fn around_encoder(folder: &Path, encoder: &Path) -> Result<Unused, ModelError> {
    let mut unused = Unused::new();
    for (name, path) in files::entries(folder)? {
        if path != encoder && !files::is_harmless(&name) {
            let slash = if path.is_dir() { "/" } else { "" };
            unused.add(UnusedKind::File, format!("{name}{slash}"));
        }
    }
    Ok(unused)
}

/// The folder of a module, if it is within the folder of the model after links are resolved; `None` otherwise.
fn below(folder: &Path, path: &str) -> Option<PathBuf> {
    let parts = Path::new(path).components();
    if parts.into_iter().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        return None;
    }
    let below = folder.join(path);
    let inside = match (folder.canonicalize(), below.canonicalize()) {
        (Ok(folder), Ok(below)) => below.starts_with(folder),
        // A missing folder causes an error later, when it is read.
        _ => true,
    };
    // Joining an empty path would add a slash at the end.
    inside.then(|| if path.is_empty() { folder.to_owned() } else { below })
}

/// The key of a pooling in configurations before release 6, which had one boolean for each.
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

/// The poolings of a configuration, and whether the tokens of the prompt take part in them.
fn poolings(config: &Value) -> Result<(Vec<Pooling>, bool), String> {
    let config: &Map<String, Value> = config.as_object().ok_or("is not an object")?;
    let include = config.get("include_prompt") != Some(&Value::Bool(false));
    let named = match config.get("pooling_mode") {
        None => {
            let is_on = |pooling: &Pooling| config.get(flag(*pooling)) == Some(&Value::Bool(true));
            let on: Vec<Pooling> = Pooling::ALL.into_iter().filter(is_on).collect();
            return Ok((if on.is_empty() { vec![Pooling::Mean] } else { on }, include));
        }
        Some(Value::Array(names)) if names.len() > MAX_LIST => {
            return Err(format!(
                "pooling_mode names {}; sst reads {MAX_LIST} at most",
                names.len()
            ));
        }
        Some(Value::Array(names)) => names.clone(),
        Some(name) => vec![name.clone()],
    };
    let poolings: Vec<Pooling> = named
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("pooling_mode: {error}"))?;
    match poolings.is_empty() {
        true => Err("pooling_mode is empty".to_owned()),
        false => Ok((poolings, include)),
    }
}
