//! The config.json of SigLIP, and those of its towers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sst_core::nn::Activation;

use crate::block::{BlockConfig, BlockInit, check_heads};
use crate::config::{check_dropout, check_refused, check_sizes};
use crate::error::{ModelError, bad};
use crate::image::{EmbeddingConfig, ImageSize, Parameters, PatchSize, check_image, image_spec};
use crate::text_encoder::TextConfig;

/// The keys of a SigLIP config.json besides those of its towers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SiglipConfig {
    /// The keys of [`SiglipTextConfig`].
    pub text_config: Option<Map<String, Value>>,
    /// The keys of [`SiglipVisionConfig`].
    pub vision_config: Option<Map<String, Value>>,
    /// Keys that do not define the model. They are saved again unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The configuration of SigLIP's text tower. The defaults are those of `siglip-base-patch16-224`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SiglipTextConfig {
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
    /// The number of tokens that every row is padded to.
    pub max_position_embeddings: i64,
    /// The activation of the MLP.
    pub hidden_act: Activation,
    /// The number that LayerNorm adds to the variance.
    pub layer_norm_eps: f64,
    /// The dropout probability of the attention probabilities.
    pub attention_dropout: f64,
    /// The id of the token that rows are padded with. Other tokens attend to it.
    pub pad_token_id: Option<i64>,
    /// The width of the vector of a text; `None` for d.
    pub projection_size: Option<i64>,
    /// Keys that do not define the model. They are saved again unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for SiglipTextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 32_000,
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            max_position_embeddings: 64,
            hidden_act: Activation::GeluPytorchTanh,
            layer_norm_eps: 1e-6,
            attention_dropout: 0.0,
            pad_token_id: Some(1),
            projection_size: None,
            other: Map::new(),
        }
    }
}

impl SiglipTextConfig {
    /// The width of the vector of a text.
    pub fn vector_size(&self) -> i64 {
        self.projection_size.unwrap_or(self.hidden_size)
    }

    /// The id of the token that rows are padded with.
    ///
    /// # Errors
    /// If there is none, or it is not in the vocabulary.
    pub(super) fn padding_id(&self) -> Result<i64, ModelError> {
        match self.pad_token_id {
            Some(id) if (0..self.vocab_size).contains(&id) => Ok(id),
            Some(id) => {
                let message = format!("is {id} and not in the vocabulary of {}", self.vocab_size);
                Err(bad("pad_token_id", &message))
            }
            None => Err(bad(
                "pad_token_id",
                "is null, and SigLIP pads every text to max_position_embeddings tokens",
            )),
        }
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
            ("projection_size", self.vector_size()),
        ])?;
        check_heads("hidden_size", self.hidden_size, self.num_attention_heads)?;
        check_dropout(&[("attention_dropout", self.attention_dropout)])?;
        self.padding_id()?;
        check_refused(&self.other, &[])
    }

    pub(super) fn encoder(&self) -> Result<TextConfig, ModelError> {
        Ok(TextConfig {
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
                causal: false,
                init: init(self.hidden_size, self.intermediate_size),
            },
            padding_id: Some(self.padding_id()?),
            std: (self.hidden_size as f64).powf(-0.5),
        })
    }
}

/// The standard deviations of the initial weights of layers. Those of transformers are uniform with the same standard
/// deviations (Glorot and Bengio 2010).
pub(super) fn init(width: i64, inner: i64) -> BlockInit {
    let glorot = |sum: i64| (2.0 / sum as f64).sqrt();
    BlockInit {
        queries: glorot(2 * width),
        attention_output: glorot(2 * width),
        inner: glorot(width + inner),
        output: glorot(width + inner),
    }
}

/// The configuration of SigLIP's image tower. The defaults are those of `siglip-base-patch16-224`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SiglipVisionConfig {
    /// d, the width of hidden states and of the vector of an image.
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
    /// Whether the tower has its pooling head; it must have it.
    pub vision_use_head: bool,
    /// Keys that do not define the model. They are saved again unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for SiglipVisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: ImageSize::Square(224),
            patch_size: PatchSize::Square(16),
            hidden_act: Activation::GeluPytorchTanh,
            layer_norm_eps: 1e-6,
            attention_dropout: 0.0,
            vision_use_head: true,
            other: Map::new(),
        }
    }
}

impl SiglipVisionConfig {
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
        if !self.vision_use_head {
            let message = "is false: without the pooling head an image has no vector";
            return Err(bad("vision_use_head", message));
        }
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
            init: init(self.hidden_size, self.intermediate_size),
        }
    }

    pub(super) fn embeddings(&self) -> EmbeddingConfig {
        let places = (self.hidden_size as f64).powf(-0.5);
        let side = self.patch_size.sides()[0];
        let patches = ((self.num_channels * side * side) as f64).powf(-0.5);
        EmbeddingConfig {
            spec: image_spec(self.image_size, self.patch_size, self.num_channels),
            width: self.hidden_size,
            parameters: Parameters::Siglip,
            stds: [0.0, patches, places],
        }
    }
}
