//! The config.json of GPT-2.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sst_core::nn::Activation;
use sst_data::Harmless;

use crate::config::{Refused, check_dropout, check_refused, check_sizes, is_false};
use crate::error::{ModelError, bad};

/// The keys of a GPT-2 config.json that define the model. The defaults are those of `gpt2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpt2Config {
    /// v, the number of token ids.
    pub vocab_size: i64,
    /// The largest number of tokens in a row.
    pub n_positions: i64,
    /// d, the width of hidden states.
    pub n_embd: i64,
    /// The number of layers.
    pub n_layer: i64,
    /// h, the number of attention heads.
    pub n_head: i64,
    /// The width of the MLP; `None` for 4 d.
    pub n_inner: Option<i64>,
    /// The activation of the MLP.
    pub activation_function: Activation,
    /// The dropout probability after the attention and the MLP.
    pub resid_pdrop: f64,
    /// The dropout probability after the embeddings.
    pub embd_pdrop: f64,
    /// The dropout probability of the attention probabilities.
    pub attn_pdrop: f64,
    /// The number that LayerNorm adds to the variance.
    pub layer_norm_epsilon: f64,
    /// The standard deviation of the initial weights.
    pub initializer_range: f64,
    /// Whether attention scores are divided by the square root of a head's width.
    pub scale_attn_weights: bool,
    /// Whether attention scores are also divided by the number of the layer, from 1.
    pub scale_attn_by_inverse_layer_idx: bool,
    /// Whether the head's projection is tied to the word embeddings.
    pub tie_word_embeddings: bool,
    /// The id of the token that begins a text.
    pub bos_token_id: Option<i64>,
    /// The ids of the tokens that end a text: a number or a list.
    pub eos_token_id: Value,
    /// The id of the padding token. The model does not use it.
    pub pad_token_id: Option<i64>,
    /// Keys that do not define the model. They are saved again unchanged.
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
    /// The width of the MLP.
    pub fn inner(&self) -> i64 {
        self.n_inner.unwrap_or(self.n_embd.saturating_mul(4))
    }

    /// Checks the values, after serde has checked their types.
    ///
    /// # Errors
    /// If a value is out of range, or asks for a variant of GPT-2 that sst does not implement.
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

/// Keys of GPT-2's config.json that do not change what sst computes, each with the reason.
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
