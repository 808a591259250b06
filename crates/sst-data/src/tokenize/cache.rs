//! Words repeat: the ids of those that were seen are kept, for tokenizers that never look across white space.

use std::sync::{PoisonError, RwLock};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::hash::BuildHasher;
use tokenizers::{ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

use super::TokenizeError;

/// Parts that threads lock one at a time.
const SHARDS: usize = 64;
/// Words that are kept, in all; a text with more different ones has them encoded again.
const WORDS: usize = 1 << 19;
/// Longer words, in bytes, seldom repeat.
const LONGEST: usize = 48;

/// Where texts are split into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// At each space, which belongs to no word (BERT).
    Spaces,
    /// Before a space that stands alone, which belongs to the word after it (byte-level BPE: its pattern,
    /// from GPT-2, matches at most one space before a word and never looks beyond).
    BeforeSpaces,
}

impl Rule {
    /// The rule of `library`; `None` if it is not known to be exact.
    fn of(library: &Tokenizer) -> Option<Self> {
        if matches!(library.get_model(), ModelWrapper::BPE(model) if model.dropout.is_some()) {
            return None;
        }
        // An added token is matched before the text is split: it must lie within a word. One that takes
        // the space after it would take it from the next.
        let spoils = |token: &tokenizers::AddedToken| {
            token.rstrip || token.content.contains(char::is_whitespace)
        };
        if library.get_added_tokens_decoder().values().any(spoils) {
            return None;
        }
        match (library.get_normalizer(), library.get_pre_tokenizer()) {
            (
                Some(NormalizerWrapper::BertNormalizer(_)),
                Some(PreTokenizerWrapper::BertPreTokenizer(_)),
            ) => Some(Self::Spaces),
            (
                None | Some(NormalizerWrapper::Lowercase(_)),
                Some(PreTokenizerWrapper::ByteLevel(bytes)),
            ) if bytes.use_regex => Some(Self::BeforeSpaces),
            _ => None,
        }
    }

    /// The first word of `text`, which is not empty, and the rest.
    fn split(self, text: &str) -> (&str, &str) {
        match self {
            Self::Spaces => text.split_once(' ').unwrap_or((text, "")),
            Self::BeforeSpaces => {
                let is_space =
                    |at: usize| text[at..].chars().next().is_none_or(char::is_whitespace);
                let after_space =
                    |at: usize| text[..at].chars().next_back().is_none_or(char::is_whitespace);
                let alone = |at: &usize| *at > 0 && !after_space(*at) && !is_space(at + 1);
                let at = memchr::memchr_iter(b' ', text.as_bytes()).find(alone);
                text.split_at(at.unwrap_or(text.len()))
            }
        }
    }
}

/// Ids by word.
type Known = HashMap<Box<str>, Box<[u32]>, FixedState>;

/// The ids of words that were seen.
pub(super) struct WordCache {
    rule: Rule,
    shards: Vec<RwLock<Known>>,
}

impl std::fmt::Debug for WordCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WordCache").field("rule", &self.rule).finish_non_exhaustive()
    }
}

impl WordCache {
    /// An empty cache, if texts for `library` may be split into words.
    pub(super) fn of(library: &Tokenizer) -> Option<Self> {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Rule::of(library).map(|rule| Self { rule, shards })
    }

    /// The ids of `text`: those of its words, one after the other. `encode` is asked for those that are new.
    pub(super) fn encode(
        &self,
        text: &str,
        encode: &dyn Fn(&str) -> Result<Vec<u32>, TokenizeError>,
    ) -> Result<Vec<u32>, TokenizeError> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        let mut rest = text;
        while !rest.is_empty() {
            let (word, after) = self.rule.split(rest);
            rest = after;
            if word.len() > LONGEST {
                ids.extend(encode(word)?);
            } else if !word.is_empty() {
                self.word(word, encode, &mut ids)?;
            }
        }
        Ok(ids)
    }

    fn word(
        &self,
        word: &str,
        encode: &dyn Fn(&str) -> Result<Vec<u32>, TokenizeError>,
        ids: &mut Vec<u32>,
    ) -> Result<(), TokenizeError> {
        let hash = FixedState::default().hash_one(word);
        // The high bits: the table itself takes the low ones.
        let shard = &self.shards[(hash >> 48) as usize % SHARDS];
        if let Some(known) = shard.read().unwrap_or_else(PoisonError::into_inner).get(word) {
            ids.extend_from_slice(known);
            return Ok(());
        }
        let new = encode(word)?;
        ids.extend_from_slice(&new);
        let mut words = shard.write().unwrap_or_else(PoisonError::into_inner);
        if words.len() < WORDS / SHARDS {
            words.insert(word.into(), new.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(rule: Rule, text: &str) -> Vec<&str> {
        let (mut words, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let (word, after) = rule.split(rest);
            words.push(word);
            rest = after;
        }
        words
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(words(Rule::Spaces, "a bc  d "), ["a", "bc", "", "d"]);
        let check = |text, expected: &[&str]| assert_eq!(words(Rule::BeforeSpaces, text), expected);
        check("a bc d", &["a", " bc", " d"]);
        check(" a", &[" a"]);
        check("a  b c ", &["a  b", " c "]);
        check("a \tb\u{3000} c", &["a \tb\u{3000} c"]);
        check("道 可", &["道", " 可"]);
    }
}
