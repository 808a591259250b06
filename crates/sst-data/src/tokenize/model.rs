//! Limits of the model that the tokenizer belongs to: the length of its inputs, the side on which texts are truncated,
//! and the ids that it knows.

use serde_json::Value;

use super::{TokenizeError, Tokenizer};
use crate::Unused;

/// The key of `tokenizer_config.json` for the side on which long texts are truncated.
pub(super) const SIDE: &str = "truncation_side";
/// The entry of [`Unused`] for a tokenizer that truncates on the left. Only the computation of text vectors follows
/// this setting.
pub(super) const SIDE_ITEM: &str = "tokenizer_config.json: truncation_side";

/// The number of characters of a text that a message shows.
const SHOWN_CHARS: usize = 60;

/// The side on which a text is truncated if it is too long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TruncationSide {
    /// The beginning of the text is cut off.
    Left,
    /// The end of the text is cut off.
    #[default]
    Right,
}

impl TruncationSide {
    /// Truncates `ids` to `room` tokens; shorter sequences are returned whole.
    pub fn keep(self, ids: &[u32], room: usize) -> &[u32] {
        let cut = ids.len().saturating_sub(room);
        match self {
            Self::Left => &ids[cut..],
            Self::Right => &ids[..ids.len() - cut],
        }
    }
}

impl Tokenizer {
    /// The side on which a text is truncated: `truncation_side` of `tokenizer_config.json`, or else
    /// `truncation.direction` of `tokenizer.json`.
    pub fn truncation_side(&self) -> TruncationSide {
        match self.inner.config.get(SIDE).and_then(Value::as_str) {
            Some("left") => TruncationSide::Left,
            _ => TruncationSide::Right,
        }
    }

    /// The settings of the tokenizer's files that are ignored by code that follows [`Tokenizer::truncation_side`], or
    /// that only writes the tokenizer again.
    pub fn unused_beside_truncation(&self) -> Unused {
        self.unused().without(SIDE_ITEM)
    }

    /// The most tokens that the model takes, special tokens included: `model_max_length` of `tokenizer_config.json`.
    /// `None` if the key is missing, or its number stands for no limit, such as 1e30.
    pub fn model_max_length(&self) -> Option<usize> {
        let limit = self.inner.config.get("model_max_length").and_then(Value::as_f64)?;
        // transformers takes larger numbers for no limit (`LARGE_INTEGER`).
        (1.0..1e20).contains(&limit).then_some(limit as usize)
    }

    /// The same tokenizer for a model with `vocab_size` embeddings. A text that contains a larger id is then an error
    /// that names the token.
    #[must_use]
    pub fn for_vocabulary(&self, vocab_size: usize) -> Self {
        Self { vocabulary: Some(vocab_size), ..self.clone() }
    }

    /// Refuses ids for which the model has no embedding.
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

/// The beginning of a text, for a message.
fn start_of(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
