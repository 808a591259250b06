//! The config.json of ViTMAE.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sst_core::nn::Activation;

use crate::block::{BlockConfig, BlockInit, check_heads};
use crate::config::{check_dropout, check_refused, check_sizes};
use crate::error::{ModelError, bad};
use crate::image::{
    EmbeddingConfig, ImageSize, Parameters, PatchSize, check_filled, check_image, image_spec,
};

/// The keys of a ViTMAE config.json that define the model. The defaults are those of `vit-mae-base`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VitMaeConfig {
    /// d, the width of hidden states.
    pub hidden_size: i64,
    /// The number of layers.
    pub num_hidden_layers: i64,
    /// h, the number of attention heads.
    pub num_attention_heads: i64,
    /// The width of the MLP.
    pub intermediate_size: i64,
    /// The activation of the MLP, in the decoder too.
    pub hidden_act: Activation,
    /// The dropout probability after the attention and the MLP, in the decoder too.
    pub hidden_dropout_prob: f64,
    /// The dropout probability of the attention probabilities, in the decoder too.
    pub attention_probs_dropout_prob: f64,
    /// The standard deviation of the initial weights.
    pub initializer_range: f64,
    /// The number that LayerNorm adds to the variance.
    pub layer_norm_eps: f64,
    /// Height and width of an image in pixels, which are equal.
    pub image_size: ImageSize,
    /// Height and width of a patch in pixels.
    pub patch_size: PatchSize,
    /// c, the number of channels.
    pub num_channels: i64,
    /// Whether the projections to queries, keys and values have biases, in the decoder too.
    pub qkv_bias: bool,
    /// The width of the decoder's hidden states.
    pub decoder_hidden_size: i64,
    /// The number of the decoder's layers.
    pub decoder_num_hidden_layers: i64,
    /// The number of attention heads of the decoder.
    pub decoder_num_attention_heads: i64,
    /// The width of the MLP of the decoder.
    pub decoder_intermediate_size: i64,
    /// The fraction of patches that training masks. It belongs to the training, and the model does not read it: the
    /// encoder gets the patches that its input names, or all.
    pub mask_ratio: f64,
    /// Whether the decoder reconstructs patches that are normalised by their own mean and variance.
    pub norm_pix_loss: bool,
    /// Keys that do not define the model. They are saved again unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for VitMaeConfig {
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
            decoder_hidden_size: 512,
            decoder_num_hidden_layers: 8,
            decoder_num_attention_heads: 16,
            decoder_intermediate_size: 2048,
            mask_ratio: 0.75,
            norm_pix_loss: false,
            other: Map::new(),
        }
    }
}

impl VitMaeConfig {
    /// Checks the values, after serde has checked their types.
    ///
    /// # Errors
    /// If a value is out of range, or patches do not fill an image.
    pub fn check(&self) -> Result<(), ModelError> {
        check_sizes(&[
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("decoder_hidden_size", self.decoder_hidden_size),
            ("decoder_num_hidden_layers", self.decoder_num_hidden_layers),
            ("decoder_num_attention_heads", self.decoder_num_attention_heads),
            ("decoder_intermediate_size", self.decoder_intermediate_size),
        ])?;
        check_heads("hidden_size", self.hidden_size, self.num_attention_heads)?;
        let [width, heads] = [self.decoder_hidden_size, self.decoder_num_attention_heads];
        check_heads("decoder_hidden_size", width, heads)?;
        for (key, width) in [("hidden_size", self.hidden_size), ("decoder_hidden_size", width)] {
            if width % 4 != 0 {
                let message =
                    format!("is {width}, and sinusoids of rows and columns need a multiple of 4");
                return Err(bad(key, &message));
            }
        }
        check_image(self.image_size, self.patch_size, self.num_channels, true)?;
        check_filled(self.image_size, self.patch_size)?;
        if !(0.0..1.0).contains(&self.mask_ratio) {
            let message = format!("is {} and must be at least 0 and below 1", self.mask_ratio);
            return Err(bad("mask_ratio", &message));
        }
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

    pub(super) fn decoder_block(&self) -> BlockConfig {
        BlockConfig {
            width: self.decoder_hidden_size,
            num_heads: self.decoder_num_attention_heads,
            inner: self.decoder_intermediate_size,
            ..self.block()
        }
    }

    pub(super) fn embeddings(&self) -> EmbeddingConfig {
        EmbeddingConfig {
            spec: image_spec(self.image_size, self.patch_size, self.num_channels),
            width: self.hidden_size,
            parameters: Parameters::VitMae,
            stds: [self.initializer_range; 3],
        }
    }
}
