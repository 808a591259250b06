//! The pretraining heads of BERT: the masked-language-model head and the next-sentence head.
//!
//! Shapes: n selected positions, d hidden size, v vocabulary size.

use sst_core::nn::{Activation, LayerNorm, Linear, linear};
use sst_core::{Forward, Head, HeadInput, Init, Result, Scope};
use tch::Tensor;

use super::config::BertConfig;
use crate::heads::Pooler;

/// The masked-language-model head: a linear layer with activation and norm, then a projection that may be the word
/// embeddings.
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
}

impl Head for MaskedHead {
    fn logits(&self, hidden_nd: &Tensor, forward: Forward) -> Result<Tensor> {
        let transformed =
            self.dense.forward_activated(hidden_nd, self.activation, forward.train)?;
        linear(&self.norm.forward(&transformed)?, &self.projection_vd, Some(&self.bias))
    }

    fn num_outputs(&self) -> usize {
        self.projection_vd.size()[0] as usize
    }

    fn input(&self) -> HeadInput {
        HeadInput::EveryToken
    }

    fn parameters(&self) -> Vec<&Tensor> {
        let projection = [&self.projection_vd, &self.bias];
        self.dense.parameters().chain(self.norm.parameters()).chain(projection).collect()
    }
}

/// The next-sentence head: a linear layer on the pooled first token. Output 0 means that the second segment follows
/// the first.
#[derive(Debug)]
pub(super) struct NextSentenceHead {
    pooler: Pooler,
    relation: Linear,
}

impl NextSentenceHead {
    pub(super) fn new(scope: &Scope<'_>, config: &BertConfig, pooler: Pooler) -> Result<Self> {
        let relation = Linear::new(scope, config.hidden_size, 2, config.initializer_range)?;
        Ok(Self { pooler, relation })
    }
}

impl Head for NextSentenceHead {
    fn logits(&self, hidden_nd: &Tensor, Forward { train, .. }: Forward) -> Result<Tensor> {
        self.relation.forward(&self.pooler.forward(hidden_nd, train)?, train)
    }

    fn num_outputs(&self) -> usize {
        2
    }

    fn input(&self) -> HeadInput {
        HeadInput::FirstToken
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.pooler.parameters().chain(self.relation.parameters()).collect()
    }
}
