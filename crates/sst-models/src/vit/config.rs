//! The config.json of ViT.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sst_core::nn::Activation;
use sst_data::Harmless;

use crate::block::{BlockConfig, BlockInit, check_heads};
use crate::config::{check_dropout, check_refused, check_sizes};
use crate::error::ModelError;
use crate::image::{EmbeddingConfig, ImageSize, Parameters, PatchSize, check_image, image_spec};

/// The keys of a ViT config.json that define the model. The defaults are those of `vit-base-patch16-224`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VitConfig {
    /// d, the width of hidden states.
    pub hidden_size: i64,
    /// The number of layers.
    pub num_hidden_layers: i64,
    /// h, the number of attention heads.
    pub num_attention_heads: i64,
    /// The width of the MLP.
    pub intermediate_size: i64,
    /// The activation of the MLP.
    pub hidden_act: Activation,
    /// The dropout probability after the embeddings, the attention and the MLP.
    pub hidden_dropout_prob: f64,
    /// The dropout probability of the attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// The standard deviation of the initial weights.
    pub initializer_range: f64,
    /// The number that LayerNorm adds to the variance.
    pub layer_norm_eps: f64,
    /// Height and width of an image in pixels.
    pub image_size: ImageSize,
    /// Height and width of a patch in pixels.
    pub patch_size: PatchSize,
    /// c, the number of channels.
    pub num_channels: i64,
    /// Whether the projections to queries, keys and values have biases.
    pub qkv_bias: bool,
    /// The width of the pooler's output; `None` for d.
    pub pooler_output_size: Option<i64>,
    /// The activation of the pooler.
    pub pooler_act: Activation,
    /// Keys that do not define the model. They are saved again unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: Activation::Gelu,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            image_size: ImageSize::Square(224),
            patch_size: PatchSize::Square(16),
            num_channels: 3,
            qkv_bias: true,
            pooler_output_size: None,
            pooler_act: Activation::Tanh,
            other: Map::new(),
        }
    }
}

impl VitConfig {
    /// The width of the pooler's output.
    pub fn pooler_size(&self) -> i64 {
        self.pooler_output_size.unwrap_or(self.hidden_size)
    }

    /// Checks the values, after serde has checked their types.
    ///
    /// # Errors
    /// If a value is out of range, or an image is smaller than a patch.
    pub fn check(&self) -> Result<(), ModelError> {
        check_sizes(&[
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("pooler_output_size", self.pooler_size()),
        ])?;
        check_heads("hidden_size", self.hidden_size, self.num_attention_heads)?;
        check_image(self.image_size, self.patch_size, self.num_channels, false)?;
        check_dropout(&[
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ])?;
        check_refused(&self.other, &[])
    }

    pub(super) fn block(&self) -> BlockConfig {
        BlockConfig {
            width: self.hidden_size,
            num_heads: self.num_attention_heads,
            inner: self.intermediate_size,
            activation: self.hidden_act,
            qkv_bias: self.qkv_bias,
            dropout: self.hidden_dropout_prob,
            attention_dropout: self.attention_probs_dropout_prob,
            eps: self.layer_norm_eps,
            causal: false,
            init: BlockInit::all(self.initializer_range),
        }
    }

    pub(super) fn embeddings(&self) -> EmbeddingConfig {
        EmbeddingConfig {
            spec: image_spec(self.image_size, self.patch_size, self.num_channels),
            width: self.hidden_size,
            parameters: Parameters::Vit,
            stds: [self.initializer_range; 3],
        }
    }
}

/// Keys of ViT's config.json that do not change what sst computes, each with the reason.
pub(crate) const HARMLESS: &[Harmless] =
    &[("encoder_stride", "of the decoder for masked image modelling, which sst does not have")];
