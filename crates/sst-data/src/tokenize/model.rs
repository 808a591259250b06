//! How much of a text a model takes, and which of its tokens.

use serde_json::Value;

use super::{TokenizeError, Tokenizer};

/// So many characters of a text are shown in a message.
const SHOWN_CHARS: usize = 60;

impl Tokenizer {
    /// The tokens that a model takes at most, special ones included, as tokenizer_config.json says under
    /// `model_max_length`; `None` if it does not, or names a number that stands for no limit, such as 1e30.
    pub fn model_max_length(&self) -> Option<usize> {
        let limit = self.inner.config.get("model_max_length").and_then(Value::as_f64)?;
        // What transformers takes for no limit (`LARGE_INTEGER`).
        (1.0..1e20).contains(&limit).then_some(limit as usize)
    }

    /// The same tokenizer for a model that knows so many token ids: a text that holds another is an error
    /// that names it.
    #[must_use]
    pub fn for_vocabulary(&self, vocab_size: usize) -> Self {
        Self { vocabulary: Some(vocab_size), ..self.clone() }
    }

    /// Refuses ids that the model does not know.
    pub(super) fn check_ids(&self, text: &str, ids: &[u32]) -> Result<(), TokenizeError> {
        let Some(vocabulary) = self.vocabulary else { return Ok(()) };
        match ids.iter().find(|id| **id as usize >= vocabulary) {
            None => Ok(()),
            Some(id) => Err(TokenizeError::BeyondModel {
                name: self.inner.name.clone(),
                text: start_of(text),
                token: self.token(*id).unwrap_or_default(),
                id: *id,
                vocabulary,
            }),
        }
    }
}

/// A text as it is shown in a message.
fn start_of(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
