//! Saves a tokenizer as transformers reads it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{TokenizeError, Tokenizer};
use crate::atomic;

impl Tokenizer {
    /// Writes `tokenizer.json` and `tokenizer_config.json` into `folder`, which is made if need be.
    /// transformers' AutoTokenizer (4 and 5) loads them. `model_max_length` is the number of tokens
    /// the model takes, special tokens included.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn save(&self, folder: &Path, model_max_length: usize) -> Result<(), TokenizeError> {
        std::fs::create_dir_all(folder).map_err(TokenizeError::io("create", folder))?;
        let json = self.inner.library.to_string(true);
        let json = json.map_err(|e| TokenizeError::invalid(&self.inner.name, e.to_string()))?;
        let config = serde_json::to_string_pretty(&self.config(model_max_length))
            .map_err(|error| TokenizeError::invalid(&self.inner.name, error.to_string()))?;
        for (name, text) in [("tokenizer.json", json), ("tokenizer_config.json", config)] {
            let path = folder.join(name);
            let text = text + "\n";
            atomic::write(&path, text.as_bytes()).map_err(TokenizeError::io("write", &path))?;
        }
        Ok(())
    }

    /// The configuration it came with, brought up to date.
    fn config(&self, model_max_length: usize) -> Map<String, Value> {
        let mut config = self.inner.config.clone();
        // The one class that both versions load from tokenizer.json as it is.
        config.entry("tokenizer_class").or_insert_with(|| json!("PreTrainedTokenizerFast"));
        config.entry("clean_up_tokenization_spaces").or_insert(json!(false));
        for (role, token) in self.inner.names.roles() {
            if let Some(token) = token {
                config.entry(format!("{role}_token")).or_insert(json!(token));
            }
        }
        if self.special().cls.is_some() {
            let inputs = json!(["input_ids", "token_type_ids", "attention_mask"]);
            config.entry("model_input_names").or_insert(inputs);
        }
        config.insert("model_max_length".to_owned(), json!(model_max_length));
        config
    }
}
