//! The model: text to tokens, tokens to vectors.
//!
//! Shapes: b rows, d width of the vectors.

use std::path::Path;

use sst_core::nn::Pooling;
use sst_core::{Forward, Modality, Model, Tokens, encode_pooled};
use sst_data::Ledger;
use sst_data::tokenize::Tokenizer;
use tch::{Device, Kind, Tensor};

use super::dense::Dense;
use super::folder::SentenceFolder;
use super::prompts::{Prompts, Side};
use crate::error::ModelError;
use crate::files::{Carried, Role};
use crate::load::LoadOptions;

/// What a folder is read with instead of what it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SentenceOptions {
    /// The pooling; of a folder without modules.json it is the mean if it is not given here.
    pub pooling: Option<Pooling>,
    /// Whether vectors have length one.
    pub normalize: Option<bool>,
    /// Tokens of a text at most, special ones included.
    pub max_length: Option<usize>,
}

/// The tokens of a text as the model reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentenceTokens {
    /// Token ids, special ones included.
    pub ids: Vec<u32>,
    /// Tokens that did not fit and were cut off.
    pub cut: usize,
    /// Tokens that the tokenizer does not know, among those that were not cut off.
    pub unknown: usize,
}

/// A model that turns a text into one vector.
pub struct SentenceModel {
    pub(super) model: Box<dyn Model>,
    /// The width of its hidden states.
    pub(super) hidden_size: i64,
    /// As it is written again.
    pub(super) tokenizer: Tokenizer,
    /// What texts are read with: the same, perhaps in lower case.
    reader: Tokenizer,
    pub(super) poolings: Vec<Pooling>,
    pub(super) dense: Vec<Dense>,
    pub(super) normalize: bool,
    /// So many numbers of a vector are kept, where it has more.
    pub(super) truncate: Option<i64>,
    /// Whether the norm comes after what `truncate` cuts off, not before as in a folder.
    pub(super) normalize_last: bool,
    pub(super) max_length: usize,
    pub(super) lowercase: bool,
    pub(super) prompts: Prompts,
    /// Put before each text.
    prompt: String,
    pub(super) carried: Carried,
    /// Whether the prompt's tokens take part in the pooling.
    pub(super) include_prompt: bool,
}

impl SentenceModel {
    /// Loads a folder of sentence-transformers, or a Hugging Face folder, whose hidden states are pooled as the
    /// options say.
    ///
    /// # Errors
    /// If a file cannot be read, a module is not one of those that sst has, or modules do not fit together.
    /// What is found and not used goes to `ledger`.
    pub fn load(
        folder: &Path,
        device: Device,
        options: SentenceOptions,
        ledger: &Ledger,
    ) -> Result<Self, ModelError> {
        let layout = SentenceFolder::read(folder)?;
        let encoder = layout.as_ref().map_or(folder, |layout| &*layout.encoder);
        let tokenizer = Tokenizer::load(encoder)?;
        ledger.add_unused(&tokenizer.unused_beside_truncation());
        let load = LoadOptions { role: Role::Sentence, ..LoadOptions::new(device) };
        let loaded = crate::open(encoder, &load)?;
        loaded.tell(ledger);
        let mut this = Self::new(loaded.model, tokenizer, options)?;
        this.carried = loaded.carried;
        let Some(layout) = layout else { return Ok(this) };
        if options.pooling.is_none() {
            this.poolings = layout.poolings;
        }
        let mut unused = layout.unused;
        for (folder, name) in &layout.dense {
            let width = this.width();
            this.dense.push(Dense::load(folder, name, width, device, &mut unused)?);
        }
        ledger.add_unused(&unused);
        this.normalize = options.normalize.unwrap_or(layout.normalize);
        let full = this.width();
        this.truncate = layout.prompts.truncate_dim().filter(|width| *width < full);
        this.normalize_last = options.normalize == Some(true);
        if let (None, Some(length)) = (options.max_length, layout.max_length) {
            this.max_length = length.min(this.model.max_length()?);
        }
        this.lowercase = layout.lowercase;
        if layout.lowercase {
            this.reader = this.reader.lowercased()?;
        }
        this.prompt = layout.prompts.default_prompt().to_owned();
        this.prompts = layout.prompts;
        this.include_prompt = layout.include_prompt;
        Ok(this)
    }

    /// A model with a pooling after it. Where the options do not say it, a text may have as many tokens as
    /// tokenizer_config.json says (`model_max_length`), and never more than the model has positions.
    ///
    /// # Errors
    /// If the model has no encoder for text.
    pub fn new(
        model: Box<dyn Model>,
        tokenizer: Tokenizer,
        options: SentenceOptions,
    ) -> Result<Self, ModelError> {
        let hidden_size = model.hidden_size(Modality::Text)?;
        let limit = model.max_length()?;
        if let Some(asked) = options.max_length.filter(|asked| *asked > limit) {
            tracing::warn!(
                "max_length is {asked}, and the model reads {limit} tokens at most: longer texts are cut there"
            );
        }
        let length = options.max_length.or(tokenizer.model_max_length()).unwrap_or(limit);
        Ok(Self {
            hidden_size,
            poolings: vec![options.pooling.unwrap_or(Pooling::Mean)],
            dense: Vec::new(),
            normalize: options.normalize.unwrap_or(false),
            truncate: None,
            normalize_last: false,
            max_length: length.min(limit),
            lowercase: false,
            prompts: Prompts::default(),
            prompt: String::new(),
            carried: Carried::default(),
            include_prompt: true,
            reader: tokenizer.for_vocabulary(model.vocab_size()?),
            model,
            tokenizer,
        })
    }

    /// The tokens of each text: the prompt before it, special tokens around it, and what is too long cut off at
    /// the end, or at the side that the tokenizer says.
    ///
    /// # Errors
    /// If there is no room beside the special tokens, or the tokenizer cannot encode a text.
    pub fn tokens(&self, texts: &[&str]) -> Result<Vec<SentenceTokens>, ModelError> {
        let template = self.tokenizer.special_token_template();
        let room = self.room()?;
        let all = if self.prompt.is_empty() {
            self.reader.encode_batch(texts)?
        } else {
            let texts: Vec<String> =
                texts.iter().map(|text| format!("{}{text}", self.prompt)).collect();
            self.reader.encode_batch(&texts.iter().map(String::as_str).collect::<Vec<_>>())?
        };
        let side = self.tokenizer.truncation_side();
        let row = |ids: Vec<u32>| {
            let kept = side.keep(&ids, room);
            let cut = ids.len() - kept.len();
            let unknown = self.tokenizer.count_unknown(kept) as usize;
            SentenceTokens {
                ids: [&template.prefix[..], kept, &template.suffix].concat(),
                cut,
                unknown,
            }
        };
        Ok(all.into_iter().map(row).collect())
    }

    /// The tokens of a text at most, beside the special ones.
    ///
    /// # Errors
    /// If there are none.
    pub fn room(&self) -> Result<usize, ModelError> {
        let template = self.tokenizer.special_token_template();
        let framing = template.prefix.len() + template.suffix.len();
        if self.max_length <= framing {
            let message = format!(
                "is {}, and special tokens alone take {framing}: raise it to {} or more",
                self.max_length,
                framing + 1
            );
            return Err(ModelError::Option { name: "max_length", message });
        }
        Ok(self.max_length - framing)
    }

    /// The vectors `[b, d]` of rows of tokens, none of them empty; fp32.
    ///
    /// # Errors
    /// If the input does not fit the model, or libtorch fails.
    pub fn vectors(&self, input: Tokens<'_>, forward: Forward) -> sst_core::Result<Tensor> {
        let mut vectors_bd =
            encode_pooled(self.model.text_encoder()?, input.into(), &self.poolings, forward)?;
        for dense in &self.dense {
            vectors_bd = dense.apply(&vectors_bd)?.f_to_kind(Kind::Float)?;
        }
        if let (Some(width), true) = (self.truncate, self.normalize_last) {
            vectors_bd = vectors_bd.f_narrow(1, 0, width)?;
        }
        if self.normalize {
            let norms_b1 = vectors_bd.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)?;
            vectors_bd = vectors_bd.f_div(&norms_b1.f_clamp_min(1e-12)?)?;
        }
        if let (Some(width), false) = (self.truncate, self.normalize_last) {
            vectors_bd = vectors_bd.f_narrow(1, 0, width)?;
        }
        Ok(vectors_bd)
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// d.
    pub fn width(&self) -> i64 {
        let pooled = self.poolings.len() as i64 * self.hidden_size;
        let full = self.dense.last().map_or(pooled, Dense::width);
        self.truncate.map_or(full, |width| width.min(full))
    }

    /// The encoder with its parameters.
    pub fn model(&self) -> &dyn Model {
        &*self.model
    }

    /// The same, to change it.
    pub fn model_mut(&mut self) -> &mut dyn Model {
        &mut *self.model
    }

    /// What is put before each text.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// What the folder puts before the texts of a side: its prompt `query` or `document`, or nothing.
    pub fn prompt_of(&self, side: Side) -> &str {
        self.prompts.of(side)
    }

    /// The function that compares two vectors, if the folder names one: `cosine`, `dot`, ...
    pub fn similarity(&self) -> Option<&str> {
        self.prompts.similarity()
    }

    /// Whether vectors have length one, so that dot products are cosines.
    pub fn normalizes(&self) -> bool {
        self.normalize && (self.truncate.is_none() || self.normalize_last)
    }

    /// Puts `prompt` before each text, instead of what the folder says.
    ///
    /// # Errors
    /// If the folder's pooling leaves prompts out, which sst cannot.
    pub fn set_prompt(&mut self, prompt: String) -> Result<(), ModelError> {
        if !prompt.is_empty() && !self.include_prompt {
            let message =
                "cannot be, for the folder's pooling leaves prompts out, which sst does not have: \
                           leave it out"
                    .to_owned();
            return Err(ModelError::Option { name: "prompt", message });
        }
        self.prompt = prompt;
        Ok(())
    }
}
