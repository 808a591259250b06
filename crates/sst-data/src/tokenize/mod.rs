//! Hugging Face tokenizers: loaded, trained, saved, and used on many cores.
//!
//! A `tokenizer.json` is somebody else's program: it holds regular expressions, tables and rules.
//! So it is checked before it is run (`check.rs`), and a panic inside the library becomes an error.

mod added;
mod bert;
mod bpe;
mod cache;
mod check;
mod class;
mod class_of;
mod error;
mod folder;
mod growth;
mod limits;
mod load;
mod long;
mod lower;
mod model;
mod pair;
mod pipeline;
mod rebuild;
mod said;
mod save;
mod special;
mod spelling;
mod train;
mod unigram;
mod unknown;
mod unread;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub use error::TokenizeError;
pub use model::TruncationSide;
pub use pair::{PairTemplate, longest_first};
pub use special::{Frame, SpecialNames, SpecialTokens};
pub use spelling::{Spelled, Spellings};
pub use train::{Algorithm, TrainConfig, stand_in, train};
pub use unknown::{UnknownCount, unknown_warning};

use self::cache::WordCache;
use self::growth::Growth;
use crate::Unused;
use crate::hex::hex;
use crate::panic::panic_message;

/// A tokenizer. Clones share it.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
    /// The ids that the model knows, where it is known: all below this.
    vocabulary: Option<usize>,
}

#[derive(Debug)]
struct Inner {
    library: tokenizers::Tokenizer,
    /// What messages call it: its path, or what it was trained as.
    name: String,
    vocab_size: usize,
    special: SpecialTokens,
    names: SpecialNames,
    frame: Frame,
    /// The `tokenizer_config.json` it came with.
    config: Map<String, Value>,
    /// The templates of chats it came with: their paths within the folder, and their bytes.
    templates: Vec<(String, Vec<u8>)>,
    /// What its files say and sst does not use.
    unused: Unused,
    /// How much longer a text can become before it is cut into tokens, and tokens when they are decoded.
    growth: (Growth, Growth),
    fingerprint: OnceLock<String>,
    /// Where texts may be split into words.
    words: Option<WordCache>,
    /// Where long texts may be cut.
    cuts: Option<long::Cuts>,
}

/// The tokens of a text with where they stand. Without special tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<u32>,
    /// The bytes of the text that each token stands for, start and end.
    pub offsets: Vec<(usize, usize)>,
    /// The word of each token, counted by the pre-tokenizer.
    pub word_ids: Vec<Option<u32>>,
}

impl Tokenizer {
    /// The token ids of `text`, without special tokens around it. Where the text spells a special
    /// token, that token is what it becomes, as in transformers. Tokenizers that never look across words
    /// (BERT's, SentencePiece's) encode the parts of a text beyond 1 MiB on all cores.
    ///
    /// # Errors
    /// If the tokenizer cannot encode it, as when it has no unknown token, or is broken; or a token is not one
    /// that the model knows ([`Tokenizer::for_vocabulary`]).
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizeError> {
        if let Some(cuts) = self.inner.cuts.filter(|_| text.len() > long::LONG) {
            let parts = cuts.cut(text);
            let ids: Vec<_> =
                parts.par_iter().map(|part| self.encode_part(part)).collect::<Result<_, _>>()?;
            let ids = ids.concat();
            self.check_ids(text, &ids)?;
            return Ok(ids);
        }
        let ids = self.encode_part(text)?;
        self.check_ids(text, &ids)?;
        Ok(ids)
    }

    fn encode_part(&self, text: &str) -> Result<Vec<u32>, TokenizeError> {
        match &self.inner.words {
            Some(words) => words.encode(text, &|word| self.encode_whole(word)),
            None => self.encode_whole(text),
        }
    }

    fn encode_whole(&self, text: &str) -> Result<Vec<u32>, TokenizeError> {
        self.check_growth(&self.inner.growth.0, text)?;
        let library = &self.inner.library;
        self.guard(|| library.encode_fast(text, false).map(|encoding| encoding.get_ids().to_vec()))
    }

    /// The token ids of `text` within the frame: `[CLS] .. [SEP]`.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn encode_with_special(&self, text: &str) -> Result<Vec<u32>, TokenizeError> {
        let Frame { prefix, suffix, .. } = &self.inner.frame;
        Ok([prefix.as_slice(), &self.encode(text)?, suffix].concat())
    }

    /// The token ids of many texts, without special tokens, on all cores of the rayon pool.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn encode_batch(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>, TokenizeError> {
        texts.par_iter().map(|text| self.encode(text)).collect()
    }

    /// The tokens of `text` with their places, without special tokens.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn encoding(&self, text: &str) -> Result<Encoding, TokenizeError> {
        self.check_growth(&self.inner.growth.0, text)?;
        let library = &self.inner.library;
        let encoding = self.guard(|| {
            library.encode(text, false).map(|encoding| Encoding {
                ids: encoding.get_ids().to_vec(),
                offsets: encoding.get_offsets().to_vec(),
                word_ids: encoding.get_word_ids().to_vec(),
            })
        })?;
        self.check_ids(text, &encoding.ids)?;
        Ok(encoding)
    }

    /// The text of token ids.
    ///
    /// # Errors
    /// If an id is not in the vocabulary, or the decoder is broken.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizeError> {
        if let Some(&id) = ids.iter().find(|id| **id as usize >= self.vocab_size()) {
            let (name, vocab_size) = (self.inner.name.clone(), self.vocab_size());
            return Err(TokenizeError::UnknownId { name, id, vocab_size });
        }
        let growth = &self.inner.growth.1;
        if growth.largest() > 1.0 {
            let tokens: String = ids.iter().filter_map(|id| self.token(*id)).collect();
            self.check_growth(growth, &tokens)?;
        }
        let text = self.guard(|| self.inner.library.decode(ids, skip_special))?;
        Ok(if self.cleans_up() { clean_up(&text) } else { text })
    }

    /// Whether decoded text loses its spaces before punctuation: as in transformers, where the configuration
    /// says so and the model is not BPE.
    fn cleans_up(&self) -> bool {
        let is_set = |key: &str| self.inner.config.get(key) == Some(&Value::Bool(true));
        let bpe = matches!(self.inner.library.get_model(), tokenizers::ModelWrapper::BPE(_));
        let force = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output";
        is_set("clean_up_tokenization_spaces") && (!bpe || is_set(force))
    }

    /// What the tokenizer's files say and sst does not use.
    pub fn unused(&self) -> &Unused {
        &self.inner.unused
    }

    fn check_growth(&self, growth: &Growth, text: &str) -> Result<(), TokenizeError> {
        let name = || self.inner.name.clone();
        growth.check(text).map_err(|reason| TokenizeError::Run { name: name(), reason })
    }

    /// One more than the largest id: the rows that an embedding table needs. Special tokens count;
    /// a vocabulary with holes has fewer tokens than this.
    pub fn vocab_size(&self) -> usize {
        self.inner.vocab_size
    }

    /// [`Self::vocab_size`], or the ids of the model where they are known to be fewer
    /// ([`Tokenizer::for_vocabulary`]).
    pub fn usable_ids(&self) -> usize {
        self.vocab_size().min(self.vocabulary.unwrap_or(usize::MAX))
    }

    /// The token of an id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.library.id_to_token(id)
    }

    /// The id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.library.token_to_id(token)
    }

    /// The ids of the special tokens.
    pub fn special(&self) -> &SpecialTokens {
        &self.inner.special
    }

    /// What stands around one sequence.
    pub fn frame(&self) -> &Frame {
        &self.inner.frame
    }

    /// For each id, whether it continues the word before it: `##ing` in WordPiece, and in models
    /// that mark the start of a word (`Ġ`, `▁`) a token that has no such mark and does not begin
    /// with punctuation. Special tokens continue nothing.
    pub fn continuation(&self) -> Vec<bool> {
        let rule = special::WordRule::of(&self.inner.library);
        let continues = |id| {
            let special = self.inner.special.all.binary_search(&id).is_ok();
            !special && self.token(id).is_some_and(|token| rule.continues(&token))
        };
        (0..self.vocab_size() as u32).map(continues).collect()
    }

    /// The SHA-256 of all that encoding depends on, in hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let compute = || {
            // Serialising a tokenizer that was parsed cannot fail; if it did, no cache would match.
            let mut json = self.inner.library.to_string(false).unwrap_or_default();
            if self.inner.library.get_encode_special_tokens() {
                json += "split_special_tokens";
            }
            hex(&Sha256::digest(json))
        };
        self.inner.fingerprint.get_or_init(compute).clone()
    }

    /// Runs the library; its errors and panics become ours.
    fn guard<T>(&self, work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, TokenizeError> {
        let name = || self.inner.name.clone();
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(TokenizeError::Run { name: name(), reason: error.to_string() }),
            Err(panic) => Err(TokenizeError::Run { name: name(), reason: panic_message(&*panic) }),
        }
    }
}

/// Takes the spaces before punctuation and contractions away (`clean_up_tokenization` of transformers).
fn clean_up(text: &str) -> String {
    const PAIRS: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    PAIRS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
