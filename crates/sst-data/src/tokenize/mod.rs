//! Hugging Face tokenizers: loading, training, saving, and encoding on many cores.
//!
//! A `tokenizer.json` comes from somebody else and holds regular expressions, tables and rules that are run on every
//! text. It is therefore checked before use (`check.rs`), and a panic inside the crate `tokenizers` becomes an error.

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
mod redundant;
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
pub use special::{SpecialNames, SpecialTokenTemplate, SpecialTokens};
pub use spelling::{Spelled, Spellings};
pub use train::{Algorithm, TrainConfig, stand_in, train};
pub use unknown::{UnknownCount, unknown_warning};

use self::cache::WordCache;
use self::growth::Growth;
use crate::Unused;
use crate::hex::hex;
use crate::panic::panic_message;

/// A tokenizer. Clones share its data.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
    /// The number of ids that the model has, if it is known. Every id is below it.
    vocabulary: Option<usize>,
}

#[derive(Debug)]
struct Inner {
    library: tokenizers::Tokenizer,
    /// The name in messages: the path of the file, or the kind of tokenizer that was trained.
    name: String,
    vocab_size: usize,
    special: SpecialTokens,
    names: SpecialNames,
    template: SpecialTokenTemplate,
    /// The `tokenizer_config.json` that came with the tokenizer.
    config: Map<String, Value>,
    /// The chat templates that came with the tokenizer: their paths within the folder, and their bytes.
    templates: Vec<(String, Vec<u8>)>,
    /// The settings of its files that sst does not use.
    unused: Unused,
    /// How much longer normalizer and pre-tokenizer can make a text, and the decoder a sequence of tokens.
    growth: (Growth, Growth),
    fingerprint: OnceLock<String>,
    /// The cache of words, if texts may be split into words that are encoded one by one.
    words: Option<WordCache>,
    /// Where long texts may be cut, if anywhere.
    cuts: Option<long::Cuts>,
}

/// The tokens of a text and their positions in it, without special tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// The token ids.
    pub ids: Vec<u32>,
    /// The byte range of the text that each token stands for: start and end.
    pub offsets: Vec<(usize, usize)>,
    /// The index of the word that each token belongs to, as the pre-tokenizer splits words.
    pub word_ids: Vec<Option<u32>>,
}

impl Tokenizer {
    /// The token ids of `text`, without special tokens around it. If the text spells a special token, it is encoded as
    /// that token, as in transformers. For a tokenizer that never looks across words (BERT's, SentencePiece's), a text
    /// longer than 1 MiB is encoded in parts on all cores.
    ///
    /// # Errors
    /// If the tokenizer cannot encode the text, for example because it needs an unknown token and has none; or if the
    /// model has no embedding for one of the tokens ([`Tokenizer::for_vocabulary`]).
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

    /// The token ids of `text` with the special tokens of the template around them, such as `[CLS] .. [SEP]`.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn encode_with_special(&self, text: &str) -> Result<Vec<u32>, TokenizeError> {
        let SpecialTokenTemplate { prefix, suffix, .. } = &self.inner.template;
        Ok([prefix.as_slice(), &self.encode(text)?, suffix].concat())
    }

    /// The token ids of each text, without special tokens, computed on all cores of the rayon pool.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn encode_batch(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>, TokenizeError> {
        texts.par_iter().map(|text| self.encode(text)).collect()
    }

    /// The tokens of `text` with their positions, without special tokens.
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

    /// Decodes token ids to text.
    ///
    /// # Errors
    /// If an id is not in the vocabulary, or the decoder fails.
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

    /// Whether spaces before punctuation are removed from decoded text. As in transformers, this is the case if the
    /// configuration asks for it and the model is not BPE.
    fn cleans_up(&self) -> bool {
        let is_set = |key: &str| self.inner.config.get(key) == Some(&Value::Bool(true));
        let bpe = matches!(self.inner.library.get_model(), tokenizers::ModelWrapper::BPE(_));
        let force = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output";
        is_set("clean_up_tokenization_spaces") && (!bpe || is_set(force))
    }

    /// The settings of the tokenizer's files that sst does not use.
    pub fn unused(&self) -> &Unused {
        &self.inner.unused
    }

    fn check_growth(&self, growth: &Growth, text: &str) -> Result<(), TokenizeError> {
        let name = || self.inner.name.clone();
        growth.check(text).map_err(|reason| TokenizeError::Run { name: name(), reason })
    }

    /// The largest token id plus one, which is the number of rows of an embedding table. Special tokens count. The
    /// vocabulary may have fewer tokens than this, because some ids may have none.
    pub fn vocab_size(&self) -> usize {
        self.inner.vocab_size
    }

    /// [`Self::vocab_size`], or the number of ids that the model has, if that is known to be smaller
    /// ([`Tokenizer::for_vocabulary`]).
    pub fn usable_ids(&self) -> usize {
        self.vocab_size().min(self.vocabulary.unwrap_or(usize::MAX))
    }

    /// The token with this id.
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

    /// The special tokens that are put around one sequence.
    pub fn special_token_template(&self) -> &SpecialTokenTemplate {
        &self.inner.template
    }

    /// For each id, whether the token continues the word before it. In WordPiece these are the tokens such as `##ing`.
    /// In vocabularies that mark the start of a word (`Ġ`, `▁`) they are the tokens that have no such mark and do not
    /// begin with punctuation. Special tokens never continue a word.
    pub fn continuation(&self) -> Vec<bool> {
        let rule = special::WordRule::of(&self.inner.library);
        let continues = |id| {
            let special = self.inner.special.all.binary_search(&id).is_ok();
            !special && self.token(id).is_some_and(|token| rule.continues(&token))
        };
        (0..self.vocab_size() as u32).map(continues).collect()
    }

    /// The SHA-256 of everything that encoding depends on, as hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let compute = || {
            // A tokenizer that was parsed can always be serialised. If it could not, the hash would match no cache.
            let mut json = self.inner.library.to_string(false).unwrap_or_default();
            if self.inner.library.get_encode_special_tokens() {
                json += "split_special_tokens";
            }
            hex(&Sha256::digest(json))
        };
        self.inner.fingerprint.get_or_init(compute).clone()
    }

    /// Runs `work` and turns an error or a panic of the crate `tokenizers` into a [`TokenizeError`].
    fn guard<T>(&self, work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, TokenizeError> {
        let name = || self.inner.name.clone();
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(TokenizeError::Run { name: name(), reason: error.to_string() }),
            Err(panic) => Err(TokenizeError::Run { name: name(), reason: panic_message(&*panic) }),
        }
    }
}

/// Removes the spaces before punctuation and contractions (`clean_up_tokenization` of transformers).
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
