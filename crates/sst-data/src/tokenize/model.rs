//! How much of a text a model takes, which end of it, and which of its tokens.

use serde_json::Value;

use super::{TokenizeError, Tokenizer};
use crate::Unused;

/// The key of tokenizer_config.json that says which end of a long text is cut off.
pub(super) const SIDE: &str = "truncation_side";
/// What is listed of a tokenizer that cuts long texts on the left, but where vectors are made, which heed it.
pub(super) const SIDE_ITEM: &str = "tokenizer_config.json: truncation_side";

/// So many characters of a text are shown in a message.
const SHOWN_CHARS: usize = 60;

/// Which end of a text is cut off where the text is too long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TruncationSide {
    /// Its beginning.
    Left,
    /// Its end.
    #[default]
    Right,
}

impl TruncationSide {
    /// The `room` tokens of `ids` that are kept; all, if there are fewer.
    pub fn keep(self, ids: &[u32], room: usize) -> &[u32] {
        let cut = ids.len().saturating_sub(room);
        match self {
            Self::Left => &ids[cut..],
            Self::Right => &ids[..ids.len() - cut],
        }
    }
}

impl Tokenizer {
    /// Which end of a text is cut off where it is too long: as tokenizer_config.json says under
    /// `truncation_side`, or else tokenizer.json under `truncation.direction`.
    pub fn truncation_side(&self) -> TruncationSide {
        match self.inner.config.get(SIDE).and_then(Value::as_str) {
            Some("left") => TruncationSide::Left,
            _ => TruncationSide::Right,
        }
    }

    /// What the tokenizer's files say and is not used by one who heeds [`Tokenizer::truncation_side`], or only
    /// writes the tokenizer again.
    pub fn unused_beside_truncation(&self) -> Unused {
        self.unused().without(SIDE_ITEM)
    }

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
