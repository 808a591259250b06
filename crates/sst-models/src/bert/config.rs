//! The config.json of BERT.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sst_core::nn::Activation;
use sst_data::Harmless;

use crate::config::{Refused, check_dropout, check_refused, check_sizes, is_false, padding_row};
use crate::error::{ModelError, bad};

/// The keys of a BERT config.json that define the model. The defaults are those of `bert-base-uncased`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BertConfig {
    /// v, the number of token ids.
    pub vocab_size: i64,
    /// d, the width of hidden states.
    pub hidden_size: i64,
    /// The number of layers.
    pub num_hidden_layers: i64,
    /// h, the number of attention heads.
    pub num_attention_heads: i64,
    /// The width of the MLP.
    pub intermediate_size: i64,
    /// The activation of the MLP and of the language-model head.
    pub hidden_act: Activation,
    /// The dropout probability after the embeddings, the attention and the MLP.
    pub hidden_dropout_prob: f64,
    /// The dropout probability of the attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// The largest number of tokens in a row, special tokens included.
    pub max_position_embeddings: i64,
    /// The number of segment ids.
    pub type_vocab_size: i64,
    /// The standard deviation of the initial weights.
    pub initializer_range: f64,
    /// The number that LayerNorm adds to the variance.
    pub layer_norm_eps: f64,
    /// The id of the padding token; its word embedding gets no gradient.
    pub pad_token_id: Option<i64>,
    /// Whether the head's projection is tied to the word embeddings.
    pub tie_word_embeddings: bool,
    /// Keys that do not define the model. They are saved again unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for BertConfig {
    fn default() -> Self {
        Self {
            vocab_size: 30_522,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: Activation::Gelu,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            pad_token_id: Some(0),
            tie_word_embeddings: true,
            other: Map::new(),
        }
    }
}

impl BertConfig {
    /// Checks the values, after serde has checked their types.
    ///
    /// # Errors
    /// If a value is out of range, or asks for a variant of BERT that sst does not implement.
    pub fn check(&self) -> Result<(), ModelError> {
        check_sizes(&[
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ])?;
        if self.hidden_size % self.num_attention_heads != 0 {
            let (width, heads) = (self.hidden_size, self.num_attention_heads);
            return Err(bad("hidden_size", &format!("{width} does not divide into {heads} heads")));
        }
        check_dropout(&[
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ])?;
        check_dropout(&[("classifier_dropout", self.classifier_dropout())])?;
        padding_row(self.pad_token_id, self.vocab_size)?;
        check_refused(&self.other, &REFUSED)
    }

    /// The dropout probability before the linear layer of a task head: `classifier_dropout`, or else
    /// `hidden_dropout_prob`.
    pub(super) fn classifier_dropout(&self) -> f64 {
        let dropout = self.other.get("classifier_dropout").and_then(Value::as_f64);
        dropout.unwrap_or(self.hidden_dropout_prob)
    }

    /// The row of the word embeddings that gets no gradient.
    pub(super) fn padding_row(&self) -> Option<i64> {
        padding_row(self.pad_token_id, self.vocab_size).unwrap_or(None)
    }
}

const REFUSED: [Refused; 3] = [
    ("position_embedding_type", |kind| kind == "absolute", "sst has absolute positions only"),
    ("is_decoder", is_false, "sst has BERT as an encoder only"),
    ("add_cross_attention", is_false, "sst has BERT as an encoder only"),
];

/// Keys of BERT's config.json that do not change what sst computes, each with the reason.
pub(super) const HARMLESS: &[Harmless] = &[
    ("position_embedding_type", "absolute; another is an error"),
    ("is_decoder", "false; true is an error"),
    ("add_cross_attention", "false; true is an error"),
    ("directionality", "written by the first TensorFlow release; BERT is always bidirectional"),
    ("pooler_fc_size", "written by the first TensorFlow release for a classifier"),
    ("pooler_num_attention_heads", "written by the first TensorFlow release for a classifier"),
    ("pooler_num_fc_layers", "written by the first TensorFlow release for a classifier"),
    ("pooler_size_per_head", "written by the first TensorFlow release for a classifier"),
    ("pooler_type", "written by the first TensorFlow release for a classifier"),
    ("output_past", "an older name of use_cache"),
];
