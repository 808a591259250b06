//! Reads the files of a tokenizer folder.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{TokenizeError, check, limits};
use crate::read::require_readable;

pub(super) const JSON: &str = "tokenizer.json";
pub(super) const CONFIG: &str = "tokenizer_config.json";
/// The file that held the special tokens before transformers 5.
pub(super) const SPECIAL_MAP: &str = "special_tokens_map.json";
/// The file that held added tokens before transformers 4.34.
pub(super) const ADDED: &str = "added_tokens.json";
const VOCAB_TXT: &str = "vocab.txt";
const VOCAB_JSON: &str = "vocab.json";
const MERGES: &str = "merges.txt";
/// The name of a chat template, and of the folder for further ones.
const TEMPLATE: &str = "chat_template.jinja";
const TEMPLATES: &str = "additional_chat_templates";

/// The vocabulary of a folder.
#[derive(Debug)]
pub(super) enum Vocabulary {
    /// A checked `tokenizer.json`.
    Json(Value),
    /// The tokens of a `vocab.txt` with their ids.
    Txt(Map<String, Value>),
    /// A `vocab.json`, with the merges of the `merges.txt` beside it.
    Merges(Map<String, Value>),
}

/// The contents of the files.
#[derive(Debug)]
pub(super) struct Files {
    /// The path of the vocabulary file.
    pub(super) path: PathBuf,
    pub(super) vocabulary: Vocabulary,
    pub(super) config: Map<String, Value>,
    pub(super) special_map: Map<String, Value>,
    pub(super) added: Map<String, Value>,
    /// The `config.json` of the model; null if the folder has none.
    pub(super) model: Value,
    /// The chat templates: their paths within the folder, and their bytes.
    pub(super) templates: Vec<(String, Vec<u8>)>,
}

impl Files {
    /// Reads `path`, which is a folder or a vocabulary file, and the files beside it.
    pub(super) fn read(path: &Path) -> Result<Self, TokenizeError> {
        let file = if path.is_dir() { find(path)? } else { path.to_path_buf() };
        let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
        let name = file.display().to_string();
        let invalid = |reason: String| TokenizeError::invalid(&name, reason);
        let bytes = read(&file)?;
        let extension =
            file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let vocabulary = if extension == "txt" {
            Vocabulary::Txt(super::bert::vocab(&bytes).map_err(invalid)?)
        } else if extension == "model" {
            return Err(foreign(&file));
        } else if file.file_name().is_some_and(|name| name == VOCAB_JSON) {
            let merges = folder.join(MERGES);
            let vocab = check::json(&bytes).map_err(invalid)?;
            let merges_name = merges.display().to_string();
            let merges = merge_lines(&read(&merges)?)
                .map_err(|reason| TokenizeError::invalid(&merges_name, reason))?;
            let mut model = Map::from_iter([("vocab".into(), vocab), ("merges".into(), merges)]);
            check::model(&mut model).map_err(invalid)?;
            Vocabulary::Merges(model)
        } else {
            Vocabulary::Json(check::parse(&bytes).map_err(invalid)?)
        };
        Ok(Self {
            vocabulary,
            config: object(&folder.join(CONFIG))?,
            special_map: object(&folder.join(SPECIAL_MAP))?,
            added: object(&folder.join(ADDED))?,
            model: model_config(&folder),
            templates: templates(&folder)?,
            path: file,
        })
    }
}

/// Finds the vocabulary file in `folder`.
fn find(folder: &Path) -> Result<PathBuf, TokenizeError> {
    let existing = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
    let merges = || existing(MERGES).and_then(|_| existing(VOCAB_JSON));
    if let Some(file) = existing(JSON).or_else(|| existing(VOCAB_TXT)).or_else(merges) {
        return Ok(file);
    }
    let other = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut other: Vec<PathBuf> = other.filter(|path| is_foreign(path)).collect();
    other.sort();
    Err(match other.first() {
        Some(file) => foreign(file),
        None => TokenizeError::NotFound(folder.to_path_buf()),
    })
}

/// Whether `path` is a vocabulary file that transformers reads and sst does not.
fn is_foreign(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".model")
        || name.ends_with(".tiktoken")
        || [VOCAB_JSON, MERGES, "tekken.json", "bpe.codes", "dict.txt", "spm.vocab"].contains(&name)
}

fn foreign(file: &Path) -> TokenizeError {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let kind = match name {
        VOCAB_JSON => "a vocabulary without merges.txt beside it",
        MERGES => "merges without vocab.json beside them",
        "tiktoken.model" => "a tiktoken vocabulary",
        "tekken.json" => "a vocabulary of mistral-common",
        _ if name.ends_with(".tiktoken") => "a tiktoken vocabulary",
        _ if name.ends_with(".model") => "a SentencePiece model (or a tiktoken vocabulary)",
        _ => "a vocabulary of another tool",
    };
    TokenizeError::Foreign { file: file.to_path_buf(), kind }
}

/// Parses the lines of `merges.txt` into pairs. The first line may state a version.
fn merge_lines(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let mut merges = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        if line.trim().is_empty() || (number == 0 && line.starts_with("#version")) {
            continue;
        }
        match line.split_once(' ') {
            Some((a, b)) if !b.contains(' ') => merges.push(json!([a, b])),
            _ => return Err(format!("line {} is {line:?}, not a pair of tokens", number + 1)),
        }
    }
    Ok(Value::Array(merges))
}

/// Reads the JSON object in a file; it is empty if the file does not exist.
fn object(path: &Path) -> Result<Map<String, Value>, TokenizeError> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    let invalid = |reason| TokenizeError::invalid(&path.display().to_string(), reason);
    match check::json(&read(path)?).map_err(invalid)? {
        Value::Object(object) => Ok(object),
        _ => Err(invalid("it is not a JSON object".to_owned())),
    }
}

/// Reads the `config.json` of the model. A file that cannot be read gives null, because loading the model reports that
/// error.
fn model_config(folder: &Path) -> Value {
    let path = folder.join("config.json");
    let bytes = if path.is_file() { read(&path).ok() } else { None };
    bytes.and_then(|bytes| check::json(&bytes).ok()).unwrap_or(Value::Null)
}

fn templates(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, TokenizeError> {
    let mut names = vec![TEMPLATE.to_owned()];
    let more = std::fs::read_dir(folder.join(TEMPLATES)).into_iter().flatten().flatten();
    let more = more.filter_map(|entry| entry.file_name().into_string().ok());
    names.extend(
        more.filter(|name| name.ends_with(".jinja")).map(|name| format!("{TEMPLATES}/{name}")),
    );
    names.sort();
    let present = names.into_iter().filter(|name| folder.join(name).is_file());
    present.map(|name| Ok((name.clone(), read(&folder.join(name))?))).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, TokenizeError> {
    require_readable(path).map_err(TokenizeError::io("read", path))?;
    let size = std::fs::metadata(path).map_err(TokenizeError::io("read", path))?.len();
    if size > limits::FILE_BYTES {
        let reason = format!("it has {size} bytes, more than {}", limits::FILE_BYTES);
        return Err(TokenizeError::invalid(&path.display().to_string(), reason));
    }
    std::fs::read(path).map_err(TokenizeError::io("read", path))
}
