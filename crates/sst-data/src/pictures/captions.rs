//! The captions of pictures as tokens.

use crate::example::Key;
use crate::ledger::Ledger;
use crate::rows::{DatasetError, room};
use crate::tokenize::Tokenizer;

/// The name under which the ledger counts captions that were cut.
const TRUNCATED: &str = "captions.truncated";

/// Tokenises captions as they are drawn.
#[derive(Debug, Clone)]
pub struct CaptionTokens {
    tokenizer: Tokenizer,
    /// The number of tokens of a caption, without special tokens.
    room: usize,
    ledger: Ledger,
}

impl CaptionTokens {
    /// Captions of at most `max_length` tokens, special tokens included. Tokens beyond that are cut off. Those captions are
    /// counted in the ledger as `captions.truncated`, each time that one is drawn in the first epoch.
    ///
    /// # Errors
    /// If special tokens leave no room.
    pub fn new(
        tokenizer: &Tokenizer,
        max_length: usize,
        ledger: &Ledger,
    ) -> Result<Self, DatasetError> {
        let room = room(tokenizer.special_token_template(), max_length)?;
        Ok(Self { tokenizer: tokenizer.clone(), room, ledger: ledger.clone() })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The token ids of the caption `text` of the picture `key`, as drawn in `epoch`, with special tokens around them.
    ///
    /// # Errors
    /// If the text cannot be tokenised, or has no token.
    pub fn ids(&self, key: &Key, text: &str, epoch: u64) -> Result<Vec<u32>, DatasetError> {
        let unreadable = |reason: String| DatasetError::Unreadable { key: key.clone(), reason };
        let mut ids = self.tokenizer.encode(text).map_err(|error| unreadable(error.to_string()))?;
        if ids.is_empty() {
            return Err(unreadable(
                "its caption has no token: write one, or remove the picture".to_owned(),
            ));
        }
        if ids.len() > self.room {
            ids.truncate(self.room);
            self.ledger.add(TRUNCATED, u64::from(epoch == 0), Some(key));
        }
        let template = self.tokenizer.special_token_template();
        Ok([template.prefix.as_slice(), &ids, &template.suffix].concat())
    }
}
