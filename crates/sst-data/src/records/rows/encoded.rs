//! The encoded texts of the records that were requested last.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::example::Span;

/// The number of texts that are kept. Workers that read windows in order are at different records.
const KEPT: usize = 16;

/// A text that was tokenized.
#[derive(Debug)]
pub(super) struct EncodedText {
    pub(super) ids: Vec<u32>,
    /// The characters of each token.
    pub(super) offsets: Vec<Span>,
    /// For each token whether it begins a word, as in [`TextWindow`](super::super::TextWindow).
    pub(super) word_starts: Vec<i64>,
}

/// The texts that were encoded last, by the index of their record. Without it, a text of a hundred windows would be
/// tokenized a hundred times when its windows are read in order.
#[derive(Debug, Default)]
pub(super) struct EncodedTexts {
    texts: Mutex<VecDeque<(u64, Arc<EncodedText>)>>,
}

impl EncodedTexts {
    /// The text of record `number`, from memory or encoded with `encode`.
    pub(super) fn get<E>(
        &self,
        number: u64,
        encode: impl FnOnce() -> Result<EncodedText, E>,
    ) -> Result<Arc<EncodedText>, E> {
        // No entry can be half written by a thread that panicked, so a poisoned lock can be used.
        let lock = || self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().iter().find(|(other, _)| *other == number).map(|(_, text)| text.clone());
        if let Some(text) = known {
            return Ok(text);
        }
        // The lock is not held meanwhile. Two workers may encode the same text, with the same result.
        let text = Arc::new(encode()?);
        let mut texts = lock();
        texts.truncate(KEPT - 1);
        texts.push_front((number, text.clone()));
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_encoded_once_while_it_is_among_the_last() {
        let texts = EncodedTexts::default();
        let encodes = |number: u64| {
            let mut count = 0;
            let text = texts.get(number, || -> Result<_, ()> {
                count += 1;
                Ok(EncodedText {
                    ids: vec![number as u32],
                    offsets: Vec::new(),
                    word_starts: Vec::new(),
                })
            });
            assert_eq!(text.unwrap().ids, [number as u32]);
            count
        };
        assert_eq!((encodes(1), encodes(2), encodes(1), encodes(2)), (1, 1, 0, 0));
        assert_eq!((3..3 + KEPT as u64).map(encodes).sum::<u32>(), KEPT as u32);
        assert_eq!(encodes(1), 1);
        assert_eq!(texts.get(99, || Err("no")).err(), Some("no"));
    }
}
