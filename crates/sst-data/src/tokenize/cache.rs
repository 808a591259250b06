//! Caches the token ids of words, for tokenizers that encode each word by itself. Words repeat, so most of a text is
//! looked up instead of encoded.

use std::sync::{PoisonError, RwLock};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::hash::BuildHasher;
use tokenizers::{ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

use super::TokenizeError;

/// The cache is split into this many shards, each with a lock of its own, so that threads seldom wait for each other.
const SHARDS: usize = 64;
/// The most words that the cache holds. Further words are encoded each time that they occur.
const WORDS: usize = 1 << 19;
/// Words longer than this many bytes are not cached, because they seldom repeat.
const LONGEST: usize = 48;

/// How a text is split into words that can be encoded one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Words are separated by a space, which belongs to no word (BERT).
    Spaces,
    /// A word begins with the single space before it, where neither neighbour of that space is white space (byte-level
    /// BPE). The split pattern of GPT-2 matches at most one space before a word and never looks further.
    BeforeSpaces,
}

impl Rule {
    /// The rule for the tokenizer `library`; `None` if no rule is known to give exactly the same ids.
    fn of(library: &Tokenizer) -> Option<Self> {
        if matches!(library.get_model(), ModelWrapper::BPE(model) if model.dropout.is_some()) {
            return None;
        }
        // Added tokens are matched before the text is split, so an added token must lie within one word. An added
        // token with `rstrip` would take the space that belongs to the next word.
        let crosses_words = |token: &tokenizers::AddedToken| {
            token.rstrip || token.content.contains(char::is_whitespace)
        };
        if library.get_added_tokens_decoder().values().any(crosses_words) {
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

    /// Splits the non-empty `text` into its first word and the rest.
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

/// Token ids by word.
type IdsByWord = HashMap<Box<str>, Box<[u32]>, FixedState>;

/// A cache of the token ids of words.
pub(super) struct WordCache {
    rule: Rule,
    shards: Vec<RwLock<IdsByWord>>,
}

impl std::fmt::Debug for WordCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WordCache").field("rule", &self.rule).finish_non_exhaustive()
    }
}

impl WordCache {
    /// An empty cache, or `None` if texts for `library` cannot be split into words.
    pub(super) fn of(library: &Tokenizer) -> Option<Self> {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Rule::of(library).map(|rule| Self { rule, shards })
    }

    /// The token ids of `text`, which are those of its words one after the other. `encode` computes the ids of a word
    /// that is not in the cache.
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
        // The shard is chosen by the high bits, because the hash table uses the low ones.
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
