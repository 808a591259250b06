//! Trains a tokenizer from texts. The same texts and options give the same bytes.
//!
//! The trainers of the crate `tokenizers` iterate over hash maps and add floating-point numbers in the order in which
//! threads finish, so their vocabularies differ from run to run. These trainers keep every sum and every tie in a
//! fixed order, and write ordinary files.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
};

use super::pipeline::{added_tokens, bert_parts, byte_level_parts, metaspace_parts, template};
use super::{SpecialNames, TokenizeError, Tokenizer, bpe, limits, long, unigram};
use crate::setting;

/// The number of bytes of text whose words are counted at once.
const BATCH_BYTES: usize = 4 << 20;
/// Longer words are cut. Chinese has no spaces between words, and base64 would cost much time and teach nothing.
const MAX_WORD_CHARS: usize = 128;
/// The prefix of WordPiece tokens that continue a word.
const CONTINUING: &str = "##";

/// The kind of tokenizer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// BERT's: text is split at white space and punctuation, and a word is cut into the longest matching pieces. The
    /// vocabulary is learned by merging the most frequent pairs (Schuster and Nakajima 2012).
    #[default]
    WordPiece,
    /// GPT-2's: byte pair encoding (Sennrich et al. 2016) over bytes, which has no unknown token.
    Bpe,
    /// SentencePiece's: the most probable segmentation under a unigram model (Kudo 2018).
    Unigram,
}

/// How a tokenizer is trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// The kind of tokenizer.
    pub algorithm: Algorithm,
    /// The number of tokens, special tokens included. A small corpus may give fewer.
    pub vocab_size: usize,
    /// A pair (WordPiece, BPE) or piece (Unigram) that is seen fewer times is not learned.
    pub min_frequency: u64,
    /// Whether text is lower-cased. WordPiece then also strips accents, as BERT does.
    pub lowercase: bool,
    /// The most single characters in the vocabulary; the most frequent ones are kept. BPE ignores this, because its
    /// alphabet is the 256 bytes.
    pub limit_alphabet: Option<usize>,
    /// The special tokens. They have the first ids, in the order of the fields. If both `cls` and `sep` have a token,
    /// these are put around a sequence.
    pub special: SpecialNames,
    /// Further special tokens, whose ids follow.
    pub extra_tokens: Vec<String>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::WordPiece,
            vocab_size: 8192,
            min_frequency: 2,
            lowercase: true,
            limit_alphabet: None,
            special: SpecialNames::bert(),
            extra_tokens: Vec::new(),
        }
    }
}

/// Trains a tokenizer. Memory grows with the number of distinct words, not with the size of the corpus. If the texts
/// give fewer tokens than were asked for, a warning states the reason.
///
/// # Errors
/// If the options contradict each other, or the texts contain no word.
pub fn train(
    config: &TrainConfig,
    texts: impl Iterator<Item = String> + Send,
) -> Result<Tokenizer, TokenizeError> {
    let (tokenizer, has_rare) = train_without_warning(config, texts)?;
    let (size, wanted, least) = (tokenizer.vocab_size(), config.vocab_size, config.min_frequency);
    if size < wanted {
        let why = match has_rare {
            true => format!(
                "all remaining pairs or pieces are seen fewer than min_frequency = {least} times: lower min_frequency, or train on more text"
            ),
            false => "every word of the texts is one token already: train on more text".to_owned(),
        };
        let setting = has_rare.then_some(setting::MIN_FREQUENCY.path());
        tracing::warn!(
            setting,
            "the tokenizer has {size} tokens instead of vocab_size = {wanted}: {why}"
        );
    }
    Ok(tokenizer)
}

/// Trains the tokenizer without a warning. The second value says whether tokens are missing because the remaining
/// pairs or pieces are too rare.
fn train_without_warning(
    config: &TrainConfig,
    texts: impl Iterator<Item = String> + Send,
) -> Result<(Tokenizer, bool), TokenizeError> {
    let special = special_tokens(config)?;
    let mut root = match config.algorithm {
        Algorithm::WordPiece => bert_parts(config.lowercase, None, true),
        Algorithm::Bpe => byte_level_parts(config.lowercase),
        Algorithm::Unigram => metaspace_parts(config.lowercase),
    };
    let words = count_words(&root, texts)?;
    if words.is_empty() {
        return Err(TokenizeError::Train("the texts contain no word".to_owned()));
    }
    let room = config.vocab_size - special.len();
    let (model, has_rare) = match config.algorithm {
        Algorithm::WordPiece => wordpiece(config, &special, &words, room),
        Algorithm::Bpe => byte_level_bpe(config, &special, &words, room),
        Algorithm::Unigram => (unigram_model(config, &special, words, room), true),
    };
    let ids = || special.iter().map(String::as_str).zip(0_u64..);
    root.insert("added_tokens".to_owned(), added_tokens(ids()));
    let id = |token: &str| ids().find(|(name, _)| *name == token).map(|(_, id)| id);
    root.insert("post_processor".to_owned(), template(&config.special, id));
    root.insert("model".to_owned(), model);
    let name = format!("the trained {:?} tokenizer", config.algorithm);
    let roles = config.special.roles().into_iter();
    let declared = roles.map(|(role, token)| (role.to_owned(), token.clone())).collect();
    Ok((Tokenizer::build(&name, Value::Object(root), declared)?, has_rare))
}

impl TrainConfig {
    /// Checks the options as [`train`] does, without any text.
    ///
    /// # Errors
    /// [`TokenizeError::Config`], which names the option that is not valid.
    pub fn check(&self) -> Result<(), TokenizeError> {
        special_tokens(self).map(drop)
    }
}

/// A tokenizer with the special tokens of `config`, trained on one letter. It has the same roles and special-token
/// template as the tokenizer that [`train`] makes of a corpus, and a very small vocabulary. It serves for checks
/// before any text is read.
///
/// # Errors
/// If the options contradict each other.
pub fn stand_in(config: &TrainConfig) -> Result<Tokenizer, TokenizeError> {
    let (tokenizer, _) = train_without_warning(config, std::iter::once("a".to_owned()))?;
    Ok(tokenizer)
}

/// The special tokens in the order of their ids.
fn special_tokens(config: &TrainConfig) -> Result<Vec<String>, TokenizeError> {
    let error = |key: &'static str, message: String| Err(TokenizeError::Config { key, message });
    let mut tokens: Vec<&str> = config.special.in_order();
    for token in &config.extra_tokens {
        if !tokens.contains(&token.as_str()) {
            tokens.push(token);
        }
    }
    if tokens.contains(&"") {
        return error("special", "has an empty token: name it, or leave its role out".to_owned());
    }
    if config.algorithm != Algorithm::Bpe && config.special.unk.is_none() {
        let message = format!("is missing, and {:?} needs an unknown token", config.algorithm);
        return error("special.unk", message);
    }
    // BPE starts from the 256 bytes, the other algorithms from at least one character.
    let (start, what) = match config.algorithm {
        Algorithm::Bpe => (256, "256 bytes"),
        Algorithm::WordPiece | Algorithm::Unigram => (1, "at least one character"),
    };
    let (least, most) = (tokens.len() + start, limits::ID as usize);
    if !(least..=most).contains(&config.vocab_size) {
        let message = format!(
            "is {} and must be from {least} to {most}: {} special tokens and {what} are in every vocabulary",
            config.vocab_size,
            tokens.len()
        );
        return error("vocab_size", message);
    }
    Ok(tokens.into_iter().map(str::to_owned).collect())
}

/// Counts the words of the texts after normalization and pre-tokenization. The result is sorted by word.
fn count_words(
    parts: &Map<String, Value>,
    texts: impl Iterator<Item = String>,
) -> Result<Vec<(String, u64)>, TokenizeError> {
    let mut root = parts.clone();
    // Only the normalizer and the pre-tokenizer are used, but a tokenizer must have a model.
    root.insert("model".to_owned(), json!({"type": "WordLevel", "vocab": {}, "unk_token": ""}));
    let library: tokenizers::Tokenizer = serde_json::from_value(Value::Object(root))
        .map_err(|error| TokenizeError::Train(error.to_string()))?;
    let mut counts = HashMap::new();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for text in texts {
        if text.len() > long::LONG {
            // The crate `tokenizers` takes a hundred bytes of memory for each byte of a text, so a long text is
            // counted in parts, one batch after the other.
            for parts in long::cut_words(&text).chunks(BATCH_BYTES / long::PART) {
                count_batch(&library, parts, &mut counts)?;
            }
            continue;
        }
        bytes += text.len();
        batch.push(text);
        if bytes >= BATCH_BYTES {
            count_batch(&library, &std::mem::take(&mut batch), &mut counts)?;
            bytes = 0;
        }
    }
    count_batch(&library, &batch, &mut counts)?;
    let mut words: Vec<_> = counts.into_iter().collect();
    words.sort_unstable();
    Ok(words)
}

fn count_batch(
    library: &tokenizers::Tokenizer,
    texts: &[impl AsRef<str> + Sync],
    counts: &mut HashMap<String, u64>,
) -> Result<(), TokenizeError> {
    let words = |text: &_| words_of(library, AsRef::<str>::as_ref(text));
    let parts: Result<Vec<_>, _> = texts.par_iter().map(words).collect();
    let parts = parts.map_err(|error| TokenizeError::Train(error.to_string()))?;
    for (word, count) in parts.into_iter().flatten() {
        *counts.entry(word).or_default() += count;
    }
    Ok(())
}

fn words_of(
    library: &tokenizers::Tokenizer,
    text: &str,
) -> tokenizers::Result<HashMap<String, u64>> {
    let mut normalized = NormalizedString::from(text);
    if let Some(normalizer) = library.get_normalizer() {
        normalizer.normalize(&mut normalized)?;
    }
    let mut words = PreTokenizedString::from(normalized);
    if let Some(pre_tokenizer) = library.get_pre_tokenizer() {
        pre_tokenizer.pre_tokenize(&mut words)?;
    }
    let mut counts = HashMap::new();
    for (word, _, _) in words.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
        let mut rest = word;
        while !rest.is_empty() {
            let end = rest.char_indices().nth(MAX_WORD_CHARS).map_or(rest.len(), |(at, _)| at);
            let (word, after) = rest.split_at(end);
            *counts.entry(word.to_owned()).or_default() += 1;
            rest = after;
        }
    }
    Ok(counts)
}

fn wordpiece(
    config: &TrainConfig,
    special: &[String],
    words: &[(String, u64)],
    room: usize,
) -> (Value, bool) {
    // The alphabet contains every character as it begins a word and, if it was seen inside a word, also with the
    // prefix of a continuation.
    let mut symbols: BTreeMap<String, u64> = BTreeMap::new();
    for (word, count) in words {
        for (i, c) in word.chars().enumerate() {
            *symbols.entry(c.to_string()).or_default() += count;
            if i > 0 {
                *symbols.entry(format!("{CONTINUING}{c}")).or_default() += count;
            }
        }
    }
    let limit = config.limit_alphabet.map_or(room, |limit| limit.saturating_mul(2).min(room));
    let mut alphabet: Vec<_> = symbols.into_iter().collect();
    alphabet.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
    alphabet.truncate(limit);
    let mut alphabet: Vec<_> = alphabet.into_iter().map(|(symbol, _)| symbol).collect();
    // Characters come first, sorted by code point, then the continuations.
    alphabet.sort_by_cached_key(|symbol| (symbol.chars().count() > 1, symbol.clone()));
    let split = |word: &str| {
        let symbol = |(i, c): (usize, char)| {
            if i == 0 { c.to_string() } else { format!("{CONTINUING}{c}") }
        };
        word.chars().enumerate().map(symbol).collect()
    };
    let learned = bpe::learn(
        special,
        alphabet,
        words,
        split,
        CONTINUING,
        config.vocab_size,
        config.min_frequency,
    );
    let model = json!({
        "type": "WordPiece",
        "unk_token": config.special.unk,
        "continuing_subword_prefix": CONTINUING,
        "max_input_chars_per_word": 100,
        "vocab": vocab(&learned.tokens),
    });
    (model, learned.has_rare_pairs)
}

fn byte_level_bpe(
    config: &TrainConfig,
    special: &[String],
    words: &[(String, u64)],
    _room: usize,
) -> (Value, bool) {
    let alphabet = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
    let mut alphabet: Vec<String> = alphabet.into_iter().map(String::from).collect();
    alphabet.sort();
    let split = |word: &str| word.chars().map(String::from).collect();
    let learned =
        bpe::learn(special, alphabet, words, split, "", config.vocab_size, config.min_frequency);
    let merges: Vec<_> = learned
        .merges
        .iter()
        .map(|(a, b)| json!([learned.tokens[*a as usize], learned.tokens[*b as usize]]))
        .collect();
    let model = json!({
        "type": "BPE",
        "dropout": null,
        "unk_token": null,
        "continuing_subword_prefix": null,
        "end_of_word_suffix": null,
        "fuse_unk": false,
        "byte_fallback": false,
        "ignore_merges": false,
        "vocab": vocab(&learned.tokens),
        "merges": merges,
    });
    (model, learned.has_rare_pairs)
}

fn unigram_model(
    config: &TrainConfig,
    special: &[String],
    words: Vec<(String, u64)>,
    room: usize,
) -> Value {
    let limit = config.limit_alphabet.unwrap_or(room).min(room);
    let pieces = unigram::learn(words, room, limit, config.min_frequency);
    let unk_id = special.iter().position(|token| Some(token) == config.special.unk.as_ref());
    let special = special.iter().map(|token| json!([token, 0.0]));
    let pieces = pieces
        .into_iter()
        .filter(|(piece, _)| !special.clone().any(|entry| entry[0] == json!(piece)))
        // Every JSON parser reads six decimals back exactly.
        .map(|(piece, score)| json!([piece, (score * 1e6).round() / 1e6]));
    let vocab: Vec<Value> = special.clone().chain(pieces).collect();
    json!({"type": "Unigram", "unk_id": unk_id, "byte_fallback": false, "vocab": vocab})
}

fn vocab(tokens: &[String]) -> Map<String, Value> {
    tokens.iter().enumerate().map(|(id, token)| (token.clone(), id.into())).collect()
}
