//! The captions of pictures as tokens.

use crate::example::Key;
use crate::ledger::Ledger;
use crate::rows::{DatasetError, room};
use crate::tokenize::Tokenizer;

/// The name under which the ledger counts captions that were cut.
pub(super) const TRUNCATED: &str = "captions.truncated";

/// What the tokens of a caption lack.
#[derive(Debug, Clone, Copy)]
pub(super) struct CaptionLosses {
    /// Whether tokens are cut off.
    pub(super) is_truncated: bool,
    /// The number of unknown tokens.
    pub(super) unknown: u64,
    /// The number of tokens.
    pub(super) tokens: u64,
}

/// Tokenises captions as they are drawn.
#[derive(Debug, Clone)]
pub struct CaptionTokens {
    tokenizer: Tokenizer,
    /// The number of tokens of a caption, without special tokens.
    room: usize,
    /// Counts captions that are cut; `None` where they are counted elsewhere.
    ledger: Option<Ledger>,
}

impl CaptionTokens {
    /// Captions of at most `max_length` tokens, special tokens included. Tokens beyond that are cut off. Those captions are
    /// counted in the ledger as `captions.truncated`, each time that one is tokenised.
    ///
    /// # Errors
    /// If special tokens leave no room.
    pub fn new(
        tokenizer: &Tokenizer,
        max_length: usize,
        ledger: &Ledger,
    ) -> Result<Self, DatasetError> {
        Ok(Self { ledger: Some(ledger.clone()), ..Self::uncounted(tokenizer, max_length)? })
    }

    /// The same without a ledger, for captions that are drawn again and again. [`count_losses`] counts each of them
    /// once.
    ///
    /// [`count_losses`]: super::Pictures::count_losses
    ///
    /// # Errors
    /// If special tokens leave no room.
    pub fn uncounted(tokenizer: &Tokenizer, max_length: usize) -> Result<Self, DatasetError> {
        let room = room(tokenizer.special_token_template(), max_length)?;
        Ok(Self { tokenizer: tokenizer.clone(), room, ledger: None })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The token ids of the caption `text` of the picture `key`, with special tokens around them.
    ///
    /// # Errors
    /// If the text cannot be tokenised, or has no token.
    pub fn ids(&self, key: &Key, text: &str) -> Result<Vec<u32>, DatasetError> {
        let unreadable = |reason: String| DatasetError::Unreadable { key: key.clone(), reason };
        let mut ids = self.encode(key, text)?;
        if ids.is_empty() {
            return Err(unreadable(
                "its caption has no token: write one, or remove the picture".to_owned(),
            ));
        }
        if ids.len() > self.room {
            ids.truncate(self.room);
            if let Some(ledger) = &self.ledger {
                ledger.add(TRUNCATED, 1, Some(key));
            }
        }
        let template = self.tokenizer.special_token_template();
        Ok([template.prefix.as_slice(), &ids, &template.suffix].concat())
    }

    /// What the tokens of the caption `text` of the picture `key` lack.
    ///
    /// # Errors
    /// If the text cannot be tokenised.
    pub(super) fn losses(&self, key: &Key, text: &str) -> Result<CaptionLosses, DatasetError> {
        let ids = self.encode(key, text)?;
        let unknown = self.tokenizer.count_unknown(&ids);
        let tokens = ids.len() as u64;
        Ok(CaptionLosses { is_truncated: ids.len() > self.room, unknown, tokens })
    }

    /// The token ids of a text without special tokens.
    fn encode(&self, key: &Key, text: &str) -> Result<Vec<u32>, DatasetError> {
        self.tokenizer.encode(text).map_err(|error| DatasetError::Unreadable {
            key: key.clone(),
            reason: error.to_string(),
        })
    }
}
