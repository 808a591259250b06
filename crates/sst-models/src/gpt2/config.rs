//! config.json of GPT-2.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sst_core::nn::Activation;
use sst_data::Harmless;

use crate::config::{Refused, check_dropout, check_refused, check_sizes, is_false};
use crate::error::{ModelError, bad};

/// The keys of a GPT-2 config.json that shape the model; defaults are those of `gpt2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpt2Config {
    /// v: token ids.
    pub vocab_size: i64,
    /// The longest row.
    pub n_positions: i64,
    /// d.
    pub n_embd: i64,
    /// Layers.
    pub n_layer: i64,
    /// h.
    pub n_head: i64,
    /// Width of the MLP; `None` for four times d.
    pub n_inner: Option<i64>,
    /// Its activation.
    pub activation_function: Activation,
    /// Dropout after the attention and the MLP.
    pub resid_pdrop: f64,
    /// Dropout after the embeddings.
    pub embd_pdrop: f64,
    /// Dropout on the attention probabilities.
    pub attn_pdrop: f64,
    /// Added to the variance in LayerNorm.
    pub layer_norm_epsilon: f64,
    /// Standard deviation of the first weights.
    pub initializer_range: f64,
    /// Whether attention scores are divided by the root of a head's width.
    pub scale_attn_weights: bool,
    /// Whether they are divided by the number of the layer, from 1, too.
    pub scale_attn_by_inverse_layer_idx: bool,
    /// Whether the vocabulary projection is the word embeddings.
    pub tie_word_embeddings: bool,
    /// The token that begins a text.
    pub bos_token_id: Option<i64>,
    /// The tokens that end one: a number or a list.
    pub eos_token_id: Value,
    /// The padding token. Nothing depends on it.
    pub pad_token_id: Option<i64>,
    /// Keys that do not shape the model; kept as they are when it is saved.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for Gpt2Config {
    fn default() -> Self {
        Self {
            vocab_size: 50_257,
            n_positions: 1024,
            n_embd: 768,
            n_layer: 12,
            n_head: 12,
            n_inner: None,
            activation_function: Activation::GeluNew,
            resid_pdrop: 0.1,
            embd_pdrop: 0.1,
            attn_pdrop: 0.1,
            layer_norm_epsilon: 1e-5,
            initializer_range: 0.02,
            scale_attn_weights: true,
            scale_attn_by_inverse_layer_idx: false,
            tie_word_embeddings: true,
            bos_token_id: None,
            eos_token_id: Value::Null,
            pad_token_id: None,
            other: Map::new(),
        }
    }
}

impl Gpt2Config {
    /// Width of the MLP.
    pub fn inner(&self) -> i64 {
        self.n_inner.unwrap_or(self.n_embd.saturating_mul(4))
    }

    /// Checks what serde cannot.
    ///
    /// # Errors
    /// If a value cannot be, or asks for a variant of GPT-2 that sst does not have.
    pub fn check(&self) -> Result<(), ModelError> {
        check_sizes(&[
            ("vocab_size", self.vocab_size),
            ("n_positions", self.n_positions),
            ("n_embd", self.n_embd),
            ("n_layer", self.n_layer),
            ("n_head", self.n_head),
            ("n_inner", self.inner()),
        ])?;
        if self.n_embd % self.n_head != 0 {
            let (width, heads) = (self.n_embd, self.n_head);
            return Err(bad("n_embd", &format!("{width} does not divide into {heads} heads")));
        }
        check_dropout(&[
            ("resid_pdrop", self.resid_pdrop),
            ("embd_pdrop", self.embd_pdrop),
            ("attn_pdrop", self.attn_pdrop),
        ])?;
        check_refused(&self.other, &REFUSED)
    }
}

const REFUSED: [Refused; 1] =
    [("add_cross_attention", is_false, "sst has GPT-2 without cross-attention only")];

/// Keys of GPT-2's config.json that do not matter to what sst computes.
pub(super) const HARMLESS: &[Harmless] = &[
    ("add_cross_attention", "false; true is an error"),
    ("is_decoder", "GPT-2 is one in any case"),
    ("n_ctx", "the older name of n_positions"),
    ("reorder_and_upcast_attn", "attention is computed in fp32 unless all is trained in less"),
    ("summary_activation", "of a head for multiple choice, which sst has not"),
    ("summary_first_dropout", "of a head for multiple choice, which sst has not"),
    ("summary_proj_to_labels", "of a head for multiple choice, which sst has not"),
    ("summary_type", "of a head for multiple choice, which sst has not"),
    ("summary_use_proj", "of a head for multiple choice, which sst has not"),
];
