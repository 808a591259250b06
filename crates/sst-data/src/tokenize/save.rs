//! Saves a tokenizer in the format of transformers.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::class::Class;
use super::{TokenizeError, Tokenizer};
use crate::atomic;

impl Tokenizer {
    /// Writes `tokenizer.json` and `tokenizer_config.json` into `folder`, which is created if it is missing.
    /// AutoTokenizer of transformers 4 and 5 loads them. `model_max_length` is the number of tokens that the model
    /// takes, special tokens included.
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
        for (name, bytes) in &self.inner.templates {
            let path = folder.join(name);
            let parent = path.parent().unwrap_or(folder);
            std::fs::create_dir_all(parent).map_err(TokenizeError::io("create", parent))?;
            atomic::write(&path, bytes).map_err(TokenizeError::io("write", &path))?;
        }
        Ok(())
    }

    /// The `tokenizer_config.json` that came with the tokenizer, brought up to date.
    fn config(&self, model_max_length: usize) -> Map<String, Value> {
        let mut config = self.inner.config.clone();
        // This is the one class that both versions load from `tokenizer.json` without changes. `tokenizer.json`
        // already contains what the class of `config.json` made of its flags, which this class ignores.
        if !config.contains_key("tokenizer_class") {
            config.retain(|key, _| !Class::ALL.iter().any(|class| class.flags().contains(&&**key)));
            config.insert("tokenizer_class".to_owned(), json!("PreTrainedTokenizerFast"));
        }
        config.entry("clean_up_tokenization_spaces").or_insert(json!(false));
        // A token that has its role only because of its usual name is written only if it is an added token already.
        // Otherwise transformers would add it, and match it in texts.
        let added = self.inner.library.get_added_tokens_decoder();
        let is_added = |token: &str| added.values().any(|known| known.content == token);
        for (role, token) in self.inner.names.roles() {
            if let Some(token) = token.as_deref().filter(|token| is_added(token)) {
                let entry = config.entry(format!("{role}_token")).or_insert(json!(token));
                // Another file of the folder may have declared a different token for this role.
                if entry.as_str().or_else(|| entry.get("content")?.as_str()) != Some(token) {
                    *entry = json!(token);
                }
            }
        }
        if self.special().cls.is_some() {
            let inputs = json!(["input_ids", "token_type_ids", "attention_mask"]);
            config.entry("model_input_names").or_insert(inputs);
        }
        if config.contains_key("added_tokens_decoder") {
            config.insert("added_tokens_decoder".to_owned(), self.added_tokens_decoder());
        }
        config.insert("model_max_length".to_owned(), json!(model_max_length));
        config
    }

    /// Every added token with its flags, by id.
    fn added_tokens_decoder(&self) -> Value {
        let tokens = self.inner.library.get_added_tokens_decoder();
        let mut tokens: Vec<_> = tokens.into_iter().collect();
        tokens.sort_by_key(|(id, _)| *id);
        let entry = |token: tokenizers::AddedToken| {
            json!({
                "content": token.content,
                "lstrip": token.lstrip,
                "normalized": token.normalized,
                "rstrip": token.rstrip,
                "single_word": token.single_word,
                "special": token.special,
            })
        };
        tokens.into_iter().map(|(id, token)| (id.to_string(), entry(token))).collect()
    }
}
