//! One layer of GPT-2.
//!
//! Shapes: t tokens of all rows, d hidden size.

use sst_core::nn::{Activation, Attention, LayerNorm, Linear, dropout, has_attention_kernel};
use sst_core::{Result, Scope};
use tch::Tensor;

use super::config::Gpt2Config;
use crate::decoder::{DecoderLayer, LayerContext};

/// A pre-norm transformer layer: attention and a two-layer MLP, each with a norm before it and a residual connection
/// after it.
#[derive(Debug)]
pub(super) struct Layer {
    attention_norm: LayerNorm,
    projections: Linear,
    attention: Attention,
    attention_output: Linear,
    norm: LayerNorm,
    inner: Linear,
    activation: Activation,
    output: Linear,
    dropout: f64,
}

impl Layer {
    /// Makes layer `i`, counted from 0.
    pub(super) fn new(scope: &Scope<'_>, config: &Gpt2Config, i: i64) -> Result<Self> {
        let (width, std, eps) =
            (config.n_embd, config.initializer_range, config.layer_norm_epsilon);
        // Projections into the residual stream start smaller in deeper models (section 2.3 of the paper).
        let residual_std = std / (2.0 * config.n_layer as f64).sqrt();
        let plain = if config.scale_attn_weights {
            ((width / config.n_head) as f64).powf(-0.5)
        } else {
            1.0
        };
        let by_layer = if config.scale_attn_by_inverse_layer_idx { (i + 1) as f64 } else { 1.0 };
        let (attention, mlp) = (scope.sub("attn"), scope.sub("mlp"));
        Ok(Self {
            attention_norm: LayerNorm::new(&scope.sub("ln_1"), width, eps)?,
            projections: Linear::in_out(&attention.sub("c_attn"), width, 3 * width, std)?,
            attention: Attention {
                scale: Some(plain / by_layer),
                causal: true,
                ..Attention::bidirectional(config.n_head, config.attn_pdrop)
            },
            attention_output: Linear::in_out(&attention.sub("c_proj"), width, width, residual_std)?,
            norm: LayerNorm::new(&scope.sub("ln_2"), width, eps)?,
            inner: Linear::in_out(&mlp.sub("c_fc"), width, config.inner(), std)?,
            activation: config.activation_function,
            output: Linear::in_out(&mlp.sub("c_proj"), config.inner(), width, residual_std)?,
            dropout: config.resid_pdrop,
        })
    }
}

impl DecoderLayer for Layer {
    fn handle(&self) -> Self {
        Self {
            attention_norm: self.attention_norm.handle(),
            projections: self.projections.handle(),
            attention: self.attention,
            attention_output: self.attention_output.handle(),
            norm: self.norm.handle(),
            inner: self.inner.handle(),
            activation: self.activation,
            output: self.output.handle(),
            dropout: self.dropout,
        }
    }

    fn forward(
        &self,
        hidden_td: &Tensor,
        layer_context: LayerContext<'_>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let train = layer_context.forward.train;
        let joint = self.projections.forward(&self.attention_norm.before(hidden_td)?, train)?;
        let (context, probabilities) = match layer_context.joint_rows() {
            Some(rows) if has_attention_kernel(&joint)? => {
                (self.attention.forward_joint(&joint, rows, train)?, None)
            }
            _ => {
                let parts = joint.f_chunk(3, 1)?;
                let mixed =
                    layer_context.attend(&self.attention, [&parts[0], &parts[1], &parts[2]])?;
                (mixed.context, mixed.probabilities)
            }
        };
        let mixed = self.attention_output.forward(&context, train)?;
        let [hidden_td, normal_td] = self.norm.between(mixed, hidden_td, self.dropout, train)?;
        let layers = [&self.inner, &self.output];
        let output = Linear::mlp(layers, &normal_td, self.activation, train)?;
        Ok((hidden_td.f_add(&dropout(output, self.dropout, train)?)?, probabilities))
    }
}
