//! config.json of BERT.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sst_core::nn::Activation;

use crate::config::{bad, check_dropout, check_sizes};
use crate::error::ModelError;

/// The keys of a BERT config.json that shape the model; defaults are those of `bert-base-uncased`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BertConfig {
    /// v: token ids.
    pub vocab_size: i64,
    /// d.
    pub hidden_size: i64,
    /// Layers.
    pub num_hidden_layers: i64,
    /// h.
    pub num_attention_heads: i64,
    /// Width of the MLP.
    pub intermediate_size: i64,
    /// Its activation.
    pub hidden_act: Activation,
    /// Dropout after the embeddings, the attention and the MLP.
    pub hidden_dropout_prob: f64,
    /// Dropout on the attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// The longest row, special tokens included.
    pub max_position_embeddings: i64,
    /// Segment ids.
    pub type_vocab_size: i64,
    /// Standard deviation of the first weights.
    pub initializer_range: f64,
    /// Added to the variance in LayerNorm.
    pub layer_norm_eps: f64,
    /// The padding token; its input embedding gets no gradient.
    pub pad_token_id: Option<i64>,
    /// Whether the vocabulary projection is the word embeddings.
    pub tie_word_embeddings: bool,
    /// Keys that do not shape the model; kept as they are when it is saved.
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
    /// Checks what serde cannot.
    ///
    /// # Errors
    /// If a value cannot be, or asks for a variant of BERT that sst does not have.
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
        if self.pad_token_id.is_some_and(|id| id < 0 || id >= self.vocab_size) {
            return Err(bad("pad_token_id", "is not in the vocabulary"));
        }
        let absolute = self.other.get("position_embedding_type").and_then(Value::as_str);
        if absolute.is_some_and(|kind| kind != "absolute") {
            return Err(bad("position_embedding_type", "sst has absolute positions only"));
        }
        for key in ["is_decoder", "add_cross_attention"] {
            if self.other.get(key) == Some(&Value::Bool(true)) {
                return Err(bad(key, "sst has BERT as an encoder only"));
            }
        }
        Ok(())
    }
}
