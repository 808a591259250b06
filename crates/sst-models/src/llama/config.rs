//! The config.json of Llama.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sst_core::nn::Activation;
use sst_data::Harmless;

use crate::config::{Refused, check_dropout, check_refused, check_sizes, padding_row};
use crate::error::{ModelError, bad};

/// The keys of a Llama config.json that define the model. The defaults are those of `Llama-2-7b`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LlamaConfig {
    /// v, the number of token ids.
    pub vocab_size: i64,
    /// d, the width of hidden states.
    pub hidden_size: i64,
    /// The width of the MLP.
    pub intermediate_size: i64,
    /// The number of layers.
    pub num_hidden_layers: i64,
    /// h, the number of query heads.
    pub num_attention_heads: i64,
    /// The number of key and value heads; `None` for h.
    pub num_key_value_heads: Option<i64>,
    /// e, the width of a head; `None` for d / h.
    pub head_dim: Option<i64>,
    /// The activation of the MLP's gate.
    pub hidden_act: Activation,
    /// The largest number of tokens in a row.
    pub max_position_embeddings: i64,
    /// The standard deviation of the initial weights.
    pub initializer_range: f64,
    /// The number that RMSNorm adds to the mean square.
    pub rms_norm_eps: f64,
    /// Whether the projections of the attention have biases.
    pub attention_bias: bool,
    /// The dropout probability of the attention probabilities.
    pub attention_dropout: f64,
    /// Whether the projections of the MLP have biases.
    pub mlp_bias: bool,
    /// Whether the head's projection is tied to the word embeddings.
    pub tie_word_embeddings: bool,
    /// The settings of rotary positions.
    pub rope_parameters: Option<Map<String, Value>>,
    /// The base of the rotary frequencies, in older files.
    pub rope_theta: Option<f64>,
    /// The scaling of the rotary frequencies, in older files.
    pub rope_scaling: Option<Map<String, Value>>,
    /// The maximal length in pretraining, where Phi-3 stores it; overrides the key in `rope_parameters`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_max_position_embeddings: Option<i64>,
    /// The fraction of each head that is rotated, for the kinds of scaling that read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial_rotary_factor: Option<f64>,
    /// The id of the token that begins a text.
    pub bos_token_id: Option<i64>,
    /// The ids of the tokens that end a text: a number or a list.
    pub eos_token_id: Value,
    /// The id of the padding token; its word embedding gets no gradient.
    pub pad_token_id: Option<i64>,
    /// Keys that do not define the model. They are saved again unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for LlamaConfig {
    fn default() -> Self {
        Self {
            vocab_size: 32_000,
            hidden_size: 4096,
            intermediate_size: 11_008,
            num_hidden_layers: 32,
            num_attention_heads: 32,
            num_key_value_heads: None,
            head_dim: None,
            hidden_act: Activation::Silu,
            max_position_embeddings: 2048,
            initializer_range: 0.02,
            rms_norm_eps: 1e-6,
            attention_bias: false,
            attention_dropout: 0.0,
            mlp_bias: false,
            tie_word_embeddings: false,
            rope_parameters: None,
            rope_theta: None,
            rope_scaling: None,
            original_max_position_embeddings: None,
            partial_rotary_factor: None,
            bos_token_id: None,
            eos_token_id: Value::Null,
            pad_token_id: None,
            other: Map::new(),
        }
    }
}

impl LlamaConfig {
    /// The width of a head.
    pub fn head_width(&self) -> i64 {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads)
    }

    /// The number of key and value heads.
    pub fn kv_heads(&self) -> i64 {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// The row of the word embeddings that gets no gradient.
    pub(super) fn padding_row(&self) -> Option<i64> {
        padding_row(self.pad_token_id, self.vocab_size).unwrap_or(None)
    }

    /// Checks the values, after serde has checked their types.
    ///
    /// # Errors
    /// If a value is out of range, or asks for a variant of Llama that sst does not implement.
    pub fn check(&self) -> Result<(), ModelError> {
        check_sizes(&[
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.kv_heads()),
            ("max_position_embeddings", self.max_position_embeddings),
        ])?;
        let (width, heads, kv_heads) =
            (self.hidden_size, self.num_attention_heads, self.kv_heads());
        if self.head_dim.is_none() && width % heads != 0 {
            return Err(bad("hidden_size", &format!("{width} does not divide into {heads} heads")));
        }
        if heads % kv_heads != 0 {
            let message = format!("{heads} heads do not divide by {kv_heads}");
            return Err(bad("num_key_value_heads", &message));
        }
        check_sizes(&[("head_dim", self.head_width())])?;
        check_dropout(&[("attention_dropout", self.attention_dropout)])?;
        padding_row(self.pad_token_id, self.vocab_size)?;
        check_refused(&self.other, &REFUSED)?;
        self.rotary()?;
        Ok(())
    }
}

const REFUSED: [Refused; 1] = [(
    "token_classification_bias",
    |value| value == true,
    "sst has token-classification heads with a bias only",
)];

/// Keys of Llama's config.json that do not change what sst computes, each with the reason.
pub(super) const HARMLESS: &[Harmless] = &[
    ("token_classification_bias", "true; false is an error"),
    ("pretraining_tp", "transformers may compute products in parts, to the same numbers"),
    ("is_decoder", "Llama is one in any case"),
    // `unused_rope_keys` reports these two if they have no effect.
    ("original_max_position_embeddings", "read with the keys of rope"),
    ("partial_rotary_factor", "read with the keys of rope"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(keys: Value) -> LlamaConfig {
        serde_json::from_value(keys).unwrap()
    }

    #[test]
    fn what_cannot_be_is_refused_by_key() {
        for (keys, key) in [
            (json!({"num_key_value_heads": 3}), "num_key_value_heads"),
            (json!({"hidden_size": 30, "num_attention_heads": 4}), "hidden_size"),
            (json!({"head_dim": 7}), "head_dim"),
            (json!({"rope_scaling": {"rope_type": "linear"}}), "rope_parameters"),
            (json!({"rope_scaling": {"rope_type": "spiral", "factor": 2.0}}), "rope_parameters"),
            (
                json!({"rope_scaling": {"rope_type": "linear", "factor": 0.0}}),
                "rope_parameters.factor",
            ),
            (json!({"rope_scaling": {"type": "mrope", "factor": 2.0}}), "rope_parameters"),
            (
                json!({"partial_rotary_factor": 0.5, "rope_scaling": {"type": "linear", "factor": 2}}),
                "partial_rotary_factor",
            ),
            (json!({"attention_dropout": 1.0}), "attention_dropout"),
        ] {
            let error = config(keys).check().unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
