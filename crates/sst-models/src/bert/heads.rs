//! The heads of BERT: masked tokens, and next sentence.
//!
//! Shapes: n selected positions, d hidden size, v vocabulary.

use sst_core::nn::{Activation, LayerNorm, Linear, activated_linear, linear};
use sst_core::{Init, Result, Scope};
use tch::Tensor;

use super::config::BertConfig;

/// Scores the vocabulary: a transform, then the word embeddings as projection.
#[derive(Debug)]
pub(super) struct MaskedHead {
    dense: Linear,
    activation: Activation,
    norm: LayerNorm,
    bias: Tensor,
    projection_vd: Tensor,
}

impl MaskedHead {
    pub(super) fn new(scope: &Scope<'_>, config: &BertConfig, words_vd: &Tensor) -> Result<Self> {
        let (width, std) = (config.hidden_size, config.initializer_range);
        let transform = scope.sub("transform");
        let bias = scope.param("bias", &[config.vocab_size], Init::Zeros)?;
        let projection_vd = match config.tie_word_embeddings {
            true => words_vd.shallow_clone(),
            false => scope.sub("decoder").param("weight", &words_vd.size(), Init::Normal(std))?,
        };
        Ok(Self {
            dense: Linear::new(&transform.sub("dense"), width, width, std)?,
            activation: config.hidden_act,
            norm: LayerNorm::new(&transform.sub("LayerNorm"), width, config.layer_norm_eps)?,
            bias,
            projection_vd,
        })
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        let own = [&self.projection_vd, &self.bias];
        self.dense.parameters().chain(self.norm.parameters()).chain(own)
    }

    pub(super) fn logits(&self, hidden_nd: &Tensor) -> Result<Tensor> {
        let transformed = activated_linear(hidden_nd, self.dense.affine(), self.activation)?;
        linear(&self.norm.forward(&transformed)?, &self.projection_vd, Some(&self.bias))
    }
}

/// Scores whether the second segment follows the first, from the pooled first token.
#[derive(Debug)]
pub(super) struct NextSentenceHead {
    relation: Linear,
}

impl NextSentenceHead {
    pub(super) fn new(scope: &Scope<'_>, config: &BertConfig) -> Result<Self> {
        let relation = Linear::new(scope, config.hidden_size, 2, config.initializer_range)?;
        Ok(Self { relation })
    }

    /// `[b, 2]` for the pooled `[b, d]`; column 0 is "follows".
    pub(super) fn logits(&self, pooled_bd: &Tensor) -> Result<Tensor> {
        self.relation.forward(pooled_bd)
    }
}
