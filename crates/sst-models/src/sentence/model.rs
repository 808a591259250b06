//! A sentence embedding model: tokenizes texts and computes their vectors.
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
use crate::setting;

/// Options that override the settings of a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SentenceOptions {
    /// The pooling. The default for a folder without modules.json is the mean.
    pub pooling: Option<Pooling>,
    /// Whether vectors are normalised to length one.
    pub normalize: Option<bool>,
    /// The largest number of tokens of a text, special tokens included.
    pub max_length: Option<usize>,
}

/// The tokens of a text that the model reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentenceTokens {
    /// Token ids, special tokens included.
    pub ids: Vec<u32>,
    /// The number of tokens that exceeded the limit and were cut off.
    pub cut: usize,
    /// The number of unknown tokens, among those that were not cut off.
    pub unknown: usize,
}

/// A model that turns a text into one vector.
pub struct SentenceModel {
    pub(super) model: Box<dyn Model>,
    /// The width of the hidden states of the encoder.
    pub(super) hidden_size: i64,
    /// The tokenizer as it will be saved.
    pub(super) tokenizer: Tokenizer,
    /// The tokenizer for texts: the same, with lower-casing if the folder asks for it.
    reader: Tokenizer,
    pub(super) poolings: Vec<Pooling>,
    pub(super) dense: Vec<Dense>,
    pub(super) normalize: bool,
    /// The number of dimensions that are kept of longer vectors.
    pub(super) truncate: Option<i64>,
    /// Whether vectors are normalised after truncation, instead of before it.
    pub(super) normalize_last: bool,
    pub(super) max_length: usize,
    pub(super) lowercase: bool,
    pub(super) prompts: Prompts,
    /// The prompt, which is prepended to each text.
    prompt: String,
    pub(super) carried: Carried,
    /// Whether the tokens of the prompt take part in the pooling.
    pub(super) include_prompt: bool,
}

impl SentenceModel {
    /// Loads a sentence-transformers folder, or a Hugging Face folder with the pooling of the options. Content that
    /// is not used is added to `ledger`.
    ///
    /// # Errors
    /// If a file cannot be read, sst does not implement a module, or modules do not fit together, or if the model compares
    /// texts with pictures: its vectors are those of a projection, and this pools hidden states.
    pub fn load(
        folder: &Path,
        device: Device,
        options: SentenceOptions,
        ledger: &Ledger,
    ) -> Result<Self, ModelError> {
        let layout = SentenceFolder::read(folder)?;
        let encoder = layout.as_ref().map_or(folder, |layout| &*layout.encoder);
        let tokenizer = Tokenizer::load(&crate::tokenizer_folder(encoder)?)?;
        ledger.add_unused(&tokenizer.unused_beside_truncation());
        let load = LoadOptions { role: Role::Sentence, ..LoadOptions::new(device) };
        let loaded = crate::open(encoder, &load)?;
        loaded.add_to(ledger);
        if loaded.model.encoder(Modality::Image).is_ok() {
            let model_type = loaded.model.model_type().to_owned();
            return Err(ModelError::ComparesPictures { model_type, path: encoder.to_owned() });
        }
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

    /// A model with a pooling after its encoder. If the options set no `max_length`, it is the `model_max_length` of
    /// tokenizer_config.json. It is never larger than the number of the model's positions.
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
                setting = setting::MAX_LENGTH.path(),
                "`max_length` is {asked}, and the model reads {limit} tokens at most: longer texts are cut there"
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

    /// Tokenizes texts: adds the prompt and the special tokens, and cuts off tokens beyond the limit on the
    /// truncation side of the tokenizer.
    ///
    /// # Errors
    /// If the special tokens leave no room, or a text cannot be tokenized.
    pub fn tokens(&self, texts: &[&str]) -> Result<Vec<SentenceTokens>, ModelError> {
        self.tokens_after(&self.prompt, texts)
    }

    /// [`SentenceModel::tokens`] with `prompt` before each text, instead of the prompt that is set.
    ///
    /// # Errors
    /// As those of [`SentenceModel::tokens`]. Whether the folder allows a prompt is not checked here:
    /// see [`SentenceModel::check_prompt`].
    pub fn tokens_after(
        &self,
        prompt: &str,
        texts: &[&str],
    ) -> Result<Vec<SentenceTokens>, ModelError> {
        let template = self.tokenizer.special_token_template();
        let room = self.room()?;
        let all = if prompt.is_empty() {
            self.reader.encode_batch(texts)?
        } else {
            let texts: Vec<String> = texts.iter().map(|text| format!("{prompt}{text}")).collect();
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

    /// The largest number of tokens of a text, without the special tokens.
    ///
    /// # Errors
    /// If the special tokens leave no room.
    pub fn room(&self) -> Result<usize, ModelError> {
        let template = self.tokenizer.special_token_template();
        let framing = template.prefix.len() + template.suffix.len();
        if self.max_length <= framing {
            let message = format!(
                "is {}, and special tokens alone take {framing}: raise it to {} or more",
                self.max_length,
                framing + 1
            );
            return Err(ModelError::Option { setting: setting::MAX_LENGTH, message });
        }
        Ok(self.max_length - framing)
    }

    /// Computes the vectors `[b, d]`, fp32, of rows of tokens.
    ///
    /// # Errors
    /// If a row is empty, the input does not fit the model, or libtorch fails.
    pub fn vectors(&self, input: Tokens<'_>, forward: Forward) -> sst_core::Result<Tensor> {
        self.vectors_of(&*self.model, input, forward)
    }

    /// [`SentenceModel::vectors`] with the hidden states of `model`, an encoder of the same shape: the one of this
    /// folder, or another state of it.
    ///
    /// # Errors
    /// As those of [`SentenceModel::vectors`].
    pub fn vectors_of(
        &self,
        model: &dyn Model,
        input: Tokens<'_>,
        forward: Forward,
    ) -> sst_core::Result<Tensor> {
        let mut vectors_bd =
            encode_pooled(model.text_encoder()?, input.into(), &self.poolings, forward)?;
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

    /// d, the width of the vectors.
    pub fn width(&self) -> i64 {
        let pooled = self.poolings.len() as i64 * self.hidden_size;
        let full = self.dense.last().map_or(pooled, Dense::width);
        self.truncate.map_or(full, |width| width.min(full))
    }

    /// The encoder with its parameters.
    pub fn model(&self) -> &dyn Model {
        &*self.model
    }

    /// The encoder with its parameters, for changes.
    pub fn model_mut(&mut self) -> &mut dyn Model {
        &mut *self.model
    }

    /// The prompt, which is prepended to each text.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// The prompt of the folder for queries or documents; empty if it has none.
    pub fn prompt_of(&self, side: Side) -> &str {
        self.prompts.of(side)
    }

    /// The similarity function that the folder names, if any: `cosine`, `dot`, ...
    pub fn similarity(&self) -> Option<&str> {
        self.prompts.similarity()
    }

    /// Whether vectors have length one, so that dot products are cosine similarities.
    pub fn normalizes(&self) -> bool {
        self.normalize && (self.truncate.is_none() || self.normalize_last)
    }

    /// Prepends `prompt` to each text, instead of the prompt of the folder.
    ///
    /// # Errors
    /// If the folder excludes the prompt from pooling, which sst does not implement.
    pub fn set_prompt(&mut self, prompt: String) -> Result<(), ModelError> {
        self.check_prompt(&prompt)?;
        self.prompt = prompt;
        Ok(())
    }

    /// Checks whether `prompt` can be put before texts.
    ///
    /// # Errors
    /// If the folder's pooling leaves prompts out, which sst cannot.
    pub fn check_prompt(&self, prompt: &str) -> Result<(), ModelError> {
        if !prompt.is_empty() && !self.include_prompt {
            let message =
                "cannot be, for the folder's pooling leaves prompts out, which sst does not have: \
                           leave it out"
                    .to_owned();
            return Err(ModelError::Option { setting: setting::PROMPT, message });
        }
        Ok(())
    }
}
