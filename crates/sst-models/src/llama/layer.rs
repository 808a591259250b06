//! One layer of Llama.
//!
//! Shapes: t tokens of all rows, d hidden size.

use sst_core::nn::{Activation, Attention, Linear, RmsNorm};
use sst_core::{Result, Scope};
use tch::Tensor;

use super::config::LlamaConfig;
use crate::decoder::{DecoderLayer, LayerContext};

/// A pre-norm transformer layer: attention and a gated MLP (Shazeer 2020, "GLU Variants Improve Transformer"), each
/// with a norm before it and a residual connection after it.
#[derive(Debug)]
pub(super) struct Layer {
    attention_norm: RmsNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    attention: Attention,
    attention_output: Linear,
    norm: RmsNorm,
    gate: Linear,
    activation: Activation,
    up: Linear,
    down: Linear,
}

impl Layer {
    pub(super) fn new(scope: &Scope<'_>, config: &LlamaConfig) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let (std, eps, head) = (config.initializer_range, config.rms_norm_eps, config.head_width());
        let (queries, keys) = (config.num_attention_heads * head, config.kv_heads() * head);
        let linear = |scope: Scope<'_>, input: i64, output: i64, has_bias: bool| match has_bias {
            true => Linear::new(&scope, input, output, std),
            false => Linear::without_bias(&scope, input, output, std),
        };
        let (attention, mlp) = (scope.sub("self_attn"), scope.sub("mlp"));
        let (biased, mlp_biased) = (config.attention_bias, config.mlp_bias);
        Ok(Self {
            attention_norm: RmsNorm::new(&scope.sub("input_layernorm"), width, eps)?,
            query: linear(attention.sub("q_proj"), width, queries, biased)?,
            key: linear(attention.sub("k_proj"), width, keys, biased)?,
            value: linear(attention.sub("v_proj"), width, keys, biased)?,
            attention: Attention {
                num_kv_heads: config.kv_heads(),
                causal: true,
                ..Attention::bidirectional(config.num_attention_heads, config.attention_dropout)
            },
            attention_output: linear(attention.sub("o_proj"), queries, width, biased)?,
            norm: RmsNorm::new(&scope.sub("post_attention_layernorm"), width, eps)?,
            gate: linear(mlp.sub("gate_proj"), width, inner, mlp_biased)?,
            activation: config.hidden_act,
            up: linear(mlp.sub("up_proj"), width, inner, mlp_biased)?,
            down: linear(mlp.sub("down_proj"), inner, width, mlp_biased)?,
        })
    }
}

impl DecoderLayer for Layer {
    fn handle(&self) -> Self {
        Self {
            attention_norm: self.attention_norm.handle(),
            query: self.query.handle(),
            key: self.key.handle(),
            value: self.value.handle(),
            attention: self.attention,
            attention_output: self.attention_output.handle(),
            norm: self.norm.handle(),
            gate: self.gate.handle(),
            activation: self.activation,
            up: self.up.handle(),
            down: self.down.handle(),
        }
    }

    fn forward(
        &self,
        hidden_td: &Tensor,
        layer_context: LayerContext<'_>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let train = layer_context.forward.train;
        let normal_td = self.attention_norm.before(hidden_td)?;
        let query = self.query.forward(&normal_td, train)?;
        let key = self.key.forward(&normal_td, train)?;
        let value = self.value.forward(&normal_td, train)?;
        let mixed = layer_context.attend(&self.attention, [&query, &key, &value])?;
        let output = self.attention_output.forward(&mixed.context, train)?;
        let [hidden_td, normal_td] = self.norm.between(&output, hidden_td)?;
        let gate = self.activation.apply(&self.gate.forward(&normal_td, train)?)?;
        let inner = gate.f_mul(&self.up.forward(&normal_td, train)?)?;
        Ok((hidden_td.f_add(&self.down.forward(&inner, train)?)?, mixed.probabilities))
    }
}
