//! config.json of Llama.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sst_core::nn::{Activation, RopeParameters, Rotary};
use sst_data::Harmless;

use crate::config::{bad, check_dropout, check_refused, check_sizes, padding_row};
use crate::error::ModelError;

/// The keys of a Llama config.json that shape the model; defaults are those of `Llama-2-7b`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LlamaConfig {
    /// v: token ids.
    pub vocab_size: i64,
    /// d.
    pub hidden_size: i64,
    /// Width of the MLP.
    pub intermediate_size: i64,
    /// Layers.
    pub num_hidden_layers: i64,
    /// h: heads of the queries.
    pub num_attention_heads: i64,
    /// Heads of keys and values; `None` for as many as of the queries.
    pub num_key_value_heads: Option<i64>,
    /// e: width of a head; `None` for d / h.
    pub head_dim: Option<i64>,
    /// The activation of the MLP's gate.
    pub hidden_act: Activation,
    /// The longest row.
    pub max_position_embeddings: i64,
    /// Standard deviation of the first weights.
    pub initializer_range: f64,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_eps: f64,
    /// Whether the projections of the attention have biases.
    pub attention_bias: bool,
    /// Dropout on the attention probabilities.
    pub attention_dropout: f64,
    /// Whether those of the MLP have.
    pub mlp_bias: bool,
    /// Whether the vocabulary projection is the word embeddings.
    pub tie_word_embeddings: bool,
    /// How positions turn queries and keys.
    pub rope_parameters: Option<Map<String, Value>>,
    /// The base of the wavelengths, in older files.
    pub rope_theta: Option<f64>,
    /// How wavelengths are stretched, in older files.
    pub rope_scaling: Option<Map<String, Value>>,
    /// The token that begins a text.
    pub bos_token_id: Option<i64>,
    /// The tokens that end one: a number or a list.
    pub eos_token_id: Value,
    /// The padding token; its input embedding gets no gradient.
    pub pad_token_id: Option<i64>,
    /// Keys that do not shape the model; kept as they are when it is saved.
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
            bos_token_id: None,
            eos_token_id: Value::Null,
            pad_token_id: None,
            other: Map::new(),
        }
    }
}

impl LlamaConfig {
    /// Width of a head.
    pub fn head_width(&self) -> i64 {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads)
    }

    /// Heads of keys and values.
    pub fn kv_heads(&self) -> i64 {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// How positions turn queries and keys, whichever keys say it.
    ///
    /// # Errors
    /// If a key is missing, unknown to sst or cannot be.
    pub fn rotary(&self) -> Result<Rotary, ModelError> {
        let parameters = serde_json::from_value::<RopeParameters>(json!(self.rope()))
            .map_err(|error| bad("rope_parameters", &error.to_string()))?;
        Rotary::new(parameters, self.head_width(), self.max_position_embeddings).map_err(|error| {
            match error {
                sst_core::Error::Config { key, reason } => bad(&key, &reason),
                other => other.into(),
            }
        })
    }

    /// The keys of `rope_parameters`, in the way of transformers 5.
    fn rope(&self) -> Map<String, Value> {
        // Older keys win, as in transformers.
        let given = self.rope_scaling.as_ref().or(self.rope_parameters.as_ref());
        let mut rope = given.cloned().unwrap_or_default();
        let kind = rope.remove("type").unwrap_or_else(|| json!("default"));
        let kind = rope.entry("rope_type").or_insert(kind).clone();
        let theta = self.rope_theta.unwrap_or(10_000.0);
        rope.entry("rope_theta").or_insert_with(|| json!(theta));
        if ["llama3", "yarn", "longrope"].contains(&kind.as_str().unwrap_or_default()) {
            let positions = json!(self.max_position_embeddings);
            rope.entry("original_max_position_embeddings").or_insert(positions);
        }
        rope
    }

    /// The config with `rope_parameters` for transformers 5, and what earlier releases read.
    pub(super) fn complete(&self) -> Self {
        let rope = self.rope();
        let is_plain = rope.get("rope_type") == Some(&json!("default"));
        Self {
            rope_theta: rope.get("rope_theta").and_then(Value::as_f64),
            rope_scaling: (!is_plain).then(|| rope.clone()),
            rope_parameters: Some(rope),
            num_key_value_heads: Some(self.kv_heads()),
            head_dim: Some(self.head_width()),
            ..self.clone()
        }
    }

    /// The row of the word embeddings that gets no gradient.
    pub(super) fn padding_row(&self) -> Option<i64> {
        padding_row(self.pad_token_id, self.vocab_size).unwrap_or(None)
    }

    /// Checks what serde cannot.
    ///
    /// # Errors
    /// If a value cannot be, or asks for a variant of Llama that sst does not have.
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
        check_refused(&self.other, &[])?;
        let partial = self.rope().get("partial_rotary_factor").and_then(Value::as_f64);
        if partial.is_some_and(|share| share != 1.0) {
            return Err(bad("rope_parameters.partial_rotary_factor", "sst turns whole heads only"));
        }
        self.rotary()?;
        Ok(())
    }
}

/// Keys of Llama's config.json that do not matter to what sst computes.
pub(super) const HARMLESS: &[Harmless] = &[
    ("pretraining_tp", "transformers may compute products in parts, to the same numbers"),
    ("is_decoder", "Llama is one in any case"),
];

#[cfg(test)]
mod tests {
    use sst_core::nn::RopeScaling;

    use super::*;

    fn config(keys: Value) -> LlamaConfig {
        serde_json::from_value(keys).unwrap()
    }

    #[test]
    fn older_and_newer_keys_say_the_same() {
        let scaling = json!({"type": "linear", "factor": 2.0});
        let old = config(json!({"rope_theta": 500.0, "rope_scaling": scaling}));
        let parameters = json!({"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0});
        let new = config(json!({"rope_parameters": parameters}));
        assert_eq!(old.rope(), new.rope());
        assert_eq!(old.complete().rope(), new.rope());
        let read: RopeParameters = serde_json::from_value(json!(new.rope())).unwrap();
        assert_eq!(read.scaling, RopeScaling::Linear { factor: 2.0 });
        assert_eq!(read.rope_theta, 500.0);
        assert_eq!(config(json!({})).complete().rope_scaling, None);
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
                json!({"rope_scaling": {"rope_type": "linear", "factor": 0.5}}),
                "rope_parameters.factor",
            ),
            (json!({"rope_parameters": {"partial_rotary_factor": 0.5}}), "partial_rotary_factor"),
            (json!({"attention_dropout": 1.0}), "attention_dropout"),
        ] {
            let error = config(keys).check().unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
