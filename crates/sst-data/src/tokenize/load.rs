//! Loads a tokenizer from a file or a folder.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::cache::WordCache;
use super::{Inner, SpecialNames, TokenizeError, Tokenizer, bert, check, special};
use crate::loader::panic_message;

const JSON: &str = "tokenizer.json";
const VOCAB: &str = "vocab.txt";
const CONFIG: &str = "tokenizer_config.json";
/// The file that held the roles of special tokens before transformers 5.
const OLD_CONFIG: &str = "special_tokens_map.json";

impl Tokenizer {
    /// Loads a `tokenizer.json`, a BERT `vocab.txt`, or a folder that holds one of them (the first
    /// is preferred). A `tokenizer_config.json` beside it is read too.
    ///
    /// # Errors
    /// If a file is missing, broken, or asks for something that could take the process down.
    pub fn load(path: &Path) -> Result<Self, TokenizeError> {
        let file = if path.is_dir() {
            [JSON, VOCAB].map(|name| path.join(name)).into_iter().find(|file| file.is_file())
        } else {
            Some(path.to_path_buf())
        };
        let file = file.ok_or_else(|| TokenizeError::NotFound(path.to_path_buf()))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let (config, names) = read_config(folder)?;
        let bytes = read(&file)?;
        let name = file.display().to_string();
        let json = match file.extension() {
            Some(extension) if extension == "txt" => bert::from_vocab(&name, &bytes, &config)?,
            _ => check::parse(&bytes).map_err(|reason| TokenizeError::invalid(&name, reason))?,
        };
        Self::build(&name, json, config, names)
    }

    /// A tokenizer from the text of a `tokenizer.json`; `name` is what messages call it.
    ///
    /// # Errors
    /// As for [`Tokenizer::load`].
    pub fn from_json(name: &str, json: &[u8]) -> Result<Self, TokenizeError> {
        let json = check::parse(json).map_err(|reason| TokenizeError::invalid(name, reason))?;
        Self::build(name, json, Map::new(), BTreeMap::new())
    }

    /// Builds it from JSON that was checked. `declared` gives the tokens of roles, where a
    /// configuration says so; a role that is declared as none stays without a token.
    pub(super) fn build(
        name: &str,
        json: Value,
        config: Map<String, Value>,
        declared: BTreeMap<String, Option<String>>,
    ) -> Result<Self, TokenizeError> {
        let invalid = |reason: String| TokenizeError::invalid(name, reason);
        let unknown = special::unknown_of(&json);
        let load = || serde_json::from_value::<tokenizers::Tokenizer>(json);
        let library = catch_unwind(AssertUnwindSafe(load))
            .map_err(|panic| invalid(panic_message(&*panic)))?
            .map_err(|error| invalid(error.to_string()))?;
        let largest = library.get_vocab(true).into_values().max();
        let vocab_size = largest.ok_or_else(|| invalid("its vocabulary is empty".to_owned()))?;
        let vocab_size = vocab_size as usize + 1;
        let names = SpecialNames::find(&library, &declared, unknown);
        let special = names.resolve(&library);
        let frame = catch_unwind(AssertUnwindSafe(|| special::frame(&library, vocab_size)))
            .unwrap_or_else(|panic| Err(panic_message(&*panic)))
            .map_err(invalid)?;
        let name = name.to_owned();
        let fingerprint = OnceLock::new();
        let words = WordCache::of(&library);
        let inner =
            Inner { library, name, vocab_size, special, names, frame, config, fingerprint, words };
        Ok(Self { inner: Arc::new(inner), vocabulary: None })
    }
}

type Config = (Map<String, Value>, BTreeMap<String, Option<String>>);

/// The configuration in `folder`, and the tokens it gives to roles. Both are empty if there is none.
fn read_config(folder: &Path) -> Result<Config, TokenizeError> {
    let mut declared = BTreeMap::new();
    let mut config = Map::new();
    // The newer file last: it wins.
    for name in [OLD_CONFIG, CONFIG] {
        let path = folder.join(name);
        if !path.is_file() {
            continue;
        }
        let name = path.display().to_string();
        let invalid = |reason: String| TokenizeError::invalid(&name, reason);
        config = match check::json(&read(&path)?).map_err(invalid)? {
            Value::Object(config) => config,
            _ => return Err(invalid("it is not a JSON object".to_owned())),
        };
        for (key, value) in &config {
            let Some(role) = key.strip_suffix("_token") else { continue };
            match value.as_str().or_else(|| value.get("content")?.as_str()) {
                Some(token) => declared.insert(role.to_owned(), Some(token.to_owned())),
                None if value.is_null() => declared.insert(role.to_owned(), None),
                // Such as `add_bos_token: true`.
                None => continue,
            };
        }
        if path.ends_with(OLD_CONFIG) {
            config = Map::new();
        }
    }
    Ok((config, declared))
}

fn read(path: &Path) -> Result<Vec<u8>, TokenizeError> {
    let size = std::fs::metadata(path).map_err(TokenizeError::io("read", path))?.len();
    if size > check::MAX_BYTES {
        let reason = format!("it has {size} bytes, more than {}", check::MAX_BYTES);
        return Err(TokenizeError::invalid(&path.display().to_string(), reason));
    }
    std::fs::read(path).map_err(TokenizeError::io("read", path))
}
