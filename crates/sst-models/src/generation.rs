//! generation_config.json: a model folder's settings for text generation.

use std::path::Path;

use serde_json::Value;
use sst_data::{Harmless, Unused, UnusedKind, json_problem};

use crate::adapter::folder_with;
use crate::error::ModelError;

/// The name of the file.
const FILE: &str = "generation_config.json";

/// Keys that change nothing in sst, each with the reason.
const HARMLESS: &[Harmless] = &[
    ("transformers_version", "says who wrote the file"),
    ("_from_model_config", "says where transformers took the values from"),
    ("bos_token_id", "an empty prompt begins with the tokenizer's own token"),
    ("pad_token_id", "prompts are not padded"),
    ("use_cache", "the text is the same with a cache and without"),
    ("cache_implementation", "the text is the same with any cache"),
    ("return_dict_in_generate", "says what a Python function returns"),
    ("output_scores", "says what a Python function returns"),
    ("output_logits", "says what a Python function returns"),
    ("output_attentions", "says what a Python function returns"),
    ("output_hidden_states", "says what a Python function returns"),
];

/// Keys that change nothing at this value, which is what sst does anyway.
const USUAL: &[(&str, f64)] = &[
    ("num_beams", 1.0),
    ("num_return_sequences", 1.0),
    ("num_beam_groups", 1.0),
    ("temperature", 1.0),
    ("top_p", 1.0),
    ("typical_p", 1.0),
    ("min_p", 0.0),
    ("min_length", 0.0),
    ("repetition_penalty", 1.0),
    ("encoder_repetition_penalty", 1.0),
    ("length_penalty", 1.0),
    ("diversity_penalty", 0.0),
    ("no_repeat_ngram_size", 0.0),
    ("encoder_no_repeat_ngram_size", 0.0),
    ("epsilon_cutoff", 0.0),
    ("eta_cutoff", 0.0),
];

/// Keys that change nothing while they are false.
const SWITCHES: &[&str] = &[
    "do_sample",
    "early_stopping",
    "renormalize_logits",
    "remove_invalid_values",
    "token_healing",
    "is_assistant",
    "low_memory",
];

/// The settings of generation_config.json that sst follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenerationConfig {
    /// The tokens that end a text. `None` if the file does not exist. Empty if the file names none; transformers then
    /// ends a text by its length only, whatever config.json says.
    pub eos_token_ids: Option<Vec<u32>>,
}

impl GenerationConfig {
    /// Reads the file of a model folder, if it has one, and lists its keys that have no effect in sst. Options set
    /// how tokens are sampled, not the folder.
    ///
    /// # Errors
    /// If the file cannot be read or is not a JSON object, or its `eos_token_id` is neither an id nor a list of ids.
    pub fn read(folder: &Path) -> Result<(Self, Unused), ModelError> {
        let folder = folder_with(folder, &[FILE])?;
        let (path, mut unused) = (folder.join(FILE), Unused::new());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Self::default(), unused));
            }
            Err(source) => return Err(ModelError::Io { path, source }),
        };
        let bad = |message: String| ModelError::BadFile { path: path.clone(), message };
        let config: Value =
            serde_json::from_str(&text).map_err(|error| bad(json_problem(&error)))?;
        let Value::Object(keys) = &config else {
            return Err(bad("holds no JSON object".to_owned()));
        };
        let eos_token_ids = token_ids(keys.get("eos_token_id").unwrap_or(&Value::Null))
            .ok_or_else(|| {
                bad("eos_token_id is neither a token id nor a list of token ids".to_owned())
            })?;
        for (key, value) in keys {
            let is_usual = match value {
                Value::Null => true,
                Value::Bool(false) => SWITCHES.contains(&key.as_str()),
                value => USUAL.iter().any(|(name, x)| name == key && value.as_f64() == Some(*x)),
            };
            let is_harmless = HARMLESS.iter().any(|(name, _)| name == key);
            if key != "eos_token_id" && !is_usual && !is_harmless {
                unused.add(UnusedKind::ConfigKey, format!("{FILE}: {key}"));
            }
        }
        Ok((Self { eos_token_ids: Some(eos_token_ids.unwrap_or_default()) }, unused))
    }
}

/// The ids of `eos_token_id`, which is a number or a list. `Some(None)` if the key sets no id, `None` if the value is
/// invalid.
pub fn token_ids(value: &Value) -> Option<Option<Vec<u32>>> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let ids: Vec<u32> = match value {
        Value::Null => Vec::new(),
        // transformers 4 wrote -1 for no id.
        Value::Number(number) if number.as_i64() == Some(-1) => Vec::new(),
        Value::Array(values) => values.iter().map(id).collect::<Option<_>>()?,
        value => vec![id(value)?],
    };
    Some((!ids.is_empty()).then_some(ids))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]
    fn ends_are_read_and_other_keys_are_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(GenerationConfig::read(dir.path()).unwrap(), Default::default());
        let read = |text: &str| {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            let (config, unused) = GenerationConfig::read(dir.path())?;
            let keys: Vec<String> = unused.of(UnusedKind::ConfigKey).map(str::to_owned).collect();
            Ok::<_, ModelError>((config.eos_token_ids, keys))
        };
        for none in [
            "{}",
            r#"{"eos_token_id": null}"#,
            r#"{"eos_token_id": []}"#,
            r#"{"eos_token_id": -1}"#,
        ] {
            assert_eq!(read(none).unwrap(), (Some(vec![]), vec![]));
        }
        assert_eq!(read(r#"{"eos_token_id": 7}"#).unwrap(), (Some(vec![7]), vec![]));
        assert_eq!(read(r#"{"eos_token_id": [7, 0]}"#).unwrap(), (Some(vec![7, 0]), vec![]));
        let many = r#"{"do_sample": true, "temperature": 0.6, "top_p": 1.0, "bos_token_id": 1,
                       "use_cache": true, "num_beams": 1, "early_stopping": false, "sparkle": [1]}"#;
        let want = ["do_sample", "sparkle", "temperature"];
        let want: Vec<String> = want.iter().map(|key| format!("{FILE}: {key}")).collect();
        assert_eq!(read(many).unwrap(), (Some(vec![]), want));
        for bad in [r#"{"eos_token_id": "</s>"}"#, r#"{"eos_token_id": [1.5]}"#, "[]", "{"] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(FILE), "{bad}: {error}");
        }
    }
}
