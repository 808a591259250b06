//! The config.json of CLIP, and those of its towers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sst_core::nn::Activation;
use sst_data::Harmless;

use crate::block::{BlockConfig, BlockInit, check_heads};
use crate::config::{check_dropout, check_refused, check_sizes};
use crate::error::{ModelError, bad};
use crate::image::{EmbeddingConfig, ImageSize, Parameters, PatchSize, check_image, image_spec};
use crate::text_encoder::TextConfig;
use crate::tower::{TEXT_CONFIG, VISION_CONFIG};

/// The keys of a CLIP config.json that define the model, besides those of its towers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipConfig {
    /// The keys of [`ClipTextConfig`].
    pub text_config: Option<Map<String, Value>>,
    /// The keys of [`ClipVisionConfig`].
    pub vision_config: Option<Map<String, Value>>,
    /// The width of the shared space.
    pub projection_dim: i64,
    /// The initial logarithm of the scale of the logits.
    pub logit_scale_init_value: f64,
    /// The factor of the standard deviations of the initial projections.
    pub initializer_factor: f64,
    /// Keys that do not define the model. They are saved again unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self {
            text_config: None,
            vision_config: None,
            projection_dim: 512,
            logit_scale_init_value: 2.6592,
            initializer_factor: 1.0,
            other: Map::new(),
        }
    }
}

impl ClipConfig {
    /// Checks the values, after serde has checked their types, except for those of the towers.
    ///
    /// # Errors
    /// If a value is out of range.
    pub fn check(&self) -> Result<(), ModelError> {
        check_sizes(&[("projection_dim", self.projection_dim)])?;
        check_refused(&self.other, &[])
    }
}

/// The configuration of CLIP's text tower. The defaults are those of `clip-vit-base-patch32`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipTextConfig {
    /// v, the number of token ids.
    pub vocab_size: i64,
    /// d, the width of hidden states.
    pub hidden_size: i64,
    /// The width of the MLP.
    pub intermediate_size: i64,
    /// The number of layers.
    pub num_hidden_layers: i64,
    /// h, the number of attention heads.
    pub num_attention_heads: i64,
    /// The largest number of tokens in a row, special tokens included.
    pub max_position_embeddings: i64,
    /// The activation of the MLP.
    pub hidden_act: Activation,
    /// The number that LayerNorm adds to the variance.
    pub layer_norm_eps: f64,
    /// The dropout probability of the attention probabilities.
    pub attention_dropout: f64,
    /// The factor of the standard deviations of the initial weights.
    pub initializer_factor: f64,
    /// The id of the token that ends a text, whose hidden state is pooled. 2 stands for the highest id of the row, as in
    /// transformers: the files of OpenAI have it.
    pub eos_token_id: Option<i64>,
    /// Keys that do not define the model. They are saved again unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for ClipTextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49_408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
            attention_dropout: 0.0,
            initializer_factor: 1.0,
            eos_token_id: Some(49_407),
            other: Map::new(),
        }
    }
}

/// The id in a config.json that stands for the highest id of each row.
const HIGHEST: i64 = 2;

impl ClipTextConfig {
    /// The id of the token that ends a text; `None` for the highest id of each row.
    pub(super) fn end_of_text(&self) -> Option<i64> {
        self.eos_token_id.filter(|id| *id != HIGHEST)
    }

    /// Checks the values, after serde has checked their types.
    ///
    /// # Errors
    /// If a value is out of range.
    pub fn check(&self) -> Result<(), ModelError> {
        check_sizes(&[
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("max_position_embeddings", self.max_position_embeddings),
        ])?;
        check_heads("hidden_size", self.hidden_size, self.num_attention_heads)?;
        check_dropout(&[("attention_dropout", self.attention_dropout)])?;
        match self.eos_token_id {
            Some(id) if (0..self.vocab_size).contains(&id) => {}
            Some(id) => {
                let message = format!(
                    "is {id} and not in the vocabulary of {}: it is the token that ends each text, whose hidden state is \
                     the vector of the text",
                    self.vocab_size
                );
                return Err(bad("eos_token_id", &message));
            }
            None => {
                let message = "is null: it must be the token that ends each text, whose hidden state is its vector";
                return Err(bad("eos_token_id", message));
            }
        }
        check_refused(&self.other, &[])
    }

    pub(super) fn encoder(&self) -> TextConfig {
        let init = init(self.hidden_size, self.num_hidden_layers, self.initializer_factor);
        TextConfig {
            vocab_size: self.vocab_size,
            max_length: self.max_position_embeddings,
            depth: self.num_hidden_layers,
            block: BlockConfig {
                width: self.hidden_size,
                num_heads: self.num_attention_heads,
                inner: self.intermediate_size,
                activation: self.hidden_act,
                qkv_bias: true,
                dropout: 0.0,
                attention_dropout: self.attention_dropout,
                eps: self.layer_norm_eps,
                causal: true,
                init,
            },
            padding_id: None,
            std: 0.02 * self.initializer_factor,
        }
    }
}

/// The standard deviations of the initial weights of layers: those of OpenAI's code.
fn init(width: i64, depth: i64, factor: f64) -> BlockInit {
    let (width, depth) = (width as f64, depth as f64);
    let small = factor * width.powf(-0.5) * (2.0 * depth).powf(-0.5);
    BlockInit {
        queries: small,
        attention_output: factor * width.powf(-0.5),
        inner: factor * (2.0 * width).powf(-0.5),
        output: small,
    }
}

/// The configuration of CLIP's image tower. The defaults are those of `clip-vit-base-patch32`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipVisionConfig {
    /// d, the width of hidden states.
    pub hidden_size: i64,
    /// The width of the MLP.
    pub intermediate_size: i64,
    /// The number of layers.
    pub num_hidden_layers: i64,
    /// h, the number of attention heads.
    pub num_attention_heads: i64,
    /// c, the number of channels.
    pub num_channels: i64,
    /// Height and width of an image in pixels, which are equal.
    pub image_size: ImageSize,
    /// Height and width of a patch in pixels.
    pub patch_size: PatchSize,
    /// The activation of the MLP.
    pub hidden_act: Activation,
    /// The number that LayerNorm adds to the variance.
    pub layer_norm_eps: f64,
    /// The dropout probability of the attention probabilities.
    pub attention_dropout: f64,
    /// The standard deviation of the initial patch and position embeddings.
    pub initializer_range: f64,
    /// The factor of the standard deviations of the initial weights.
    pub initializer_factor: f64,
    /// Keys that do not define the model. They are saved again unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for ClipVisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: ImageSize::Square(224),
            patch_size: PatchSize::Square(32),
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
            attention_dropout: 0.0,
            initializer_range: 0.02,
            initializer_factor: 1.0,
            other: Map::new(),
        }
    }
}

impl ClipVisionConfig {
    /// Checks the values, after serde has checked their types.
    ///
    /// # Errors
    /// If a value is out of range, or an image is smaller than a patch.
    pub fn check(&self) -> Result<(), ModelError> {
        check_sizes(&[
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
        ])?;
        check_heads("hidden_size", self.hidden_size, self.num_attention_heads)?;
        check_image(self.image_size, self.patch_size, self.num_channels, true)?;
        check_dropout(&[("attention_dropout", self.attention_dropout)])?;
        check_refused(&self.other, &[])
    }

    pub(super) fn block(&self) -> BlockConfig {
        BlockConfig {
            width: self.hidden_size,
            num_heads: self.num_attention_heads,
            inner: self.intermediate_size,
            activation: self.hidden_act,
            qkv_bias: true,
            dropout: 0.0,
            attention_dropout: self.attention_dropout,
            eps: self.layer_norm_eps,
            causal: false,
            init: init(self.hidden_size, self.num_hidden_layers, self.initializer_factor),
        }
    }

    pub(super) fn embeddings(&self) -> EmbeddingConfig {
        let class = self.initializer_factor * (self.hidden_size as f64).powf(-0.5);
        let others = self.initializer_factor * self.initializer_range;
        EmbeddingConfig {
            spec: image_spec(self.image_size, self.patch_size, self.num_channels),
            width: self.hidden_size,
            parameters: Parameters::Clip,
            stds: [class, others, others],
        }
    }
}

/// Keys of the configurations of CLIP's towers that do not change what sst computes, each with the reason.
pub(super) const HARMLESS: &[Harmless] = &[
    ("projection_dim", "of a tower that is used alone; the key of the whole model counts"),
    ("pad_token_id", "the tokenizer says which tokens are special"),
    ("initializer_range", "the text tower starts from initializer_factor alone"),
    ("dropout", "written by older releases, which had no such dropout"),
];

/// Keys whose values override those of a tower, in files of older releases. They are part of the tower's configuration
/// when the model is saved.
pub(super) const OVERRIDES: [(&str, &str); 2] =
    [("text_config_dict", TEXT_CONFIG), ("vision_config_dict", VISION_CONFIG)];

/// The config.json with the configurations of the towers as transformers reads them: one of `OVERRIDES` replaces all keys
/// that transformers knows, also by its defaults.
pub(super) fn merged(config: &Value) -> Value {
    let mut merged = config.clone();
    let defaults = [json!(ClipTextConfig::default()), json!(ClipVisionConfig::default())];
    for ((from, key), defaults) in OVERRIDES.into_iter().zip(defaults) {
        let given = merged.as_object_mut().and_then(|keys| keys.remove(from));
        let mut part = merged.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        if let Some(Value::Object(given)) = given {
            part.extend(defaults.as_object().cloned().unwrap_or_default());
            part.extend(given);
        }
        merged[key] = Value::Object(part);
    }
    merged
}
