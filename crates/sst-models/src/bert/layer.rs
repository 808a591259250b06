//! One layer of the encoder.
//!
//! Shapes: b batch, l length, t tokens of all rows, n selected tokens, d hidden size.

use sst_core::nn::{Activation, Attention, LayerNorm, Linear, Rows, has_attention_kernel};
use sst_core::{Forward, RaggedRows, Result, Scope};
use sst_kernels::fork;
use tch::Tensor;

use super::config::BertConfig;
use crate::init::{InitOptions, Queries};

/// A post-norm transformer layer: attention and a two-layer MLP, each followed by a residual connection and a norm.
#[derive(Debug)]
pub(super) struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention: Attention,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    activation: Activation,
    output: Linear,
    output_norm: LayerNorm,
    dropout: f64,
}

/// Two handles on a hidden state, for its two uses. A fused norm returns both, and adds their gradients in its
/// backward pass.
#[derive(Debug)]
pub(super) struct Hidden {
    /// The handle for matrix products.
    pub(super) input: Tensor,
    /// The handle for the residual connection.
    pub(super) residual: Tensor,
}

impl Hidden {
    /// Makes both handles from one tensor that does not come from a fused norm.
    pub(super) fn new(hidden: &Tensor) -> Result<Self> {
        Ok(fork(hidden)?.into())
    }

    pub(super) fn handles(&self) -> [&Tensor; 2] {
        [&self.input, &self.residual]
    }
}

impl From<[Tensor; 2]> for Hidden {
    fn from([input, residual]: [Tensor; 2]) -> Self {
        Self { input, residual }
    }
}

/// The tokens whose hidden states the last layer has to compute.
#[derive(Debug)]
pub(super) struct Picked {
    /// Their positions, sorted.
    pub(super) positions_n: Tensor,
    /// The index of the first of each row in `positions_n`, then their number.
    pub(super) offsets: Vec<i64>,
}

impl Layer {
    pub(super) fn new(scope: &Scope<'_>, config: &BertConfig, init: InitOptions) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let (std, eps) = (config.initializer_range, config.layer_norm_eps);
        let attention = scope.sub("attention");
        let projections = attention.sub("self");
        let project = |name: &str, like: &str, std: f64| {
            let (scope, like) = (projections.sub(name), projections.sub(like));
            Linear::new_like(&scope, &like, width, width, std)
        };
        let (alike, similar_std) = match init.attention {
            Queries::Normal => ("key", std),
            Queries::Alike => ("query", init.attention_std.unwrap_or(InitOptions::ATTENTION_STD)),
        };
        let output = attention.sub("output");
        Ok(Self {
            query: project("query", "query", similar_std)?,
            key: project("key", alike, similar_std)?,
            value: project("value", "value", std)?,
            attention: Attention::bidirectional(
                config.num_attention_heads,
                config.attention_probs_dropout_prob,
            ),
            attention_output: Linear::new(&output.sub("dense"), width, width, std)?,
            attention_norm: LayerNorm::new(&output.sub("LayerNorm"), width, eps)?,
            intermediate: Linear::new(&scope.sub("intermediate").sub("dense"), width, inner, std)?,
            activation: config.hidden_act,
            output: Linear::new(&scope.sub("output").sub("dense"), inner, width, std)?,
            output_norm: LayerNorm::new(&scope.sub("output").sub("LayerNorm"), width, eps)?,
            dropout: config.hidden_dropout_prob,
        })
    }

    /// A second handle on the same parameters.
    pub(super) fn handle(&self) -> Self {
        Self {
            query: self.query.handle(),
            key: self.key.handle(),
            value: self.value.handle(),
            attention: self.attention,
            attention_output: self.attention_output.handle(),
            attention_norm: self.attention_norm.handle(),
            intermediate: self.intermediate.handle(),
            activation: self.activation,
            output: self.output.handle(),
            output_norm: self.output_norm.handle(),
            dropout: self.dropout,
        }
    }

    /// The next hidden states and, if wanted, the attention probabilities.
    pub(super) fn forward(
        &self,
        hidden_bld: &Hidden,
        rows: Rows<'_>,
        forward: Forward,
    ) -> Result<(Hidden, Option<Tensor>)> {
        let Hidden { input, residual } = hidden_bld;
        let Forward { train, want } = forward;
        if let (Rows::Ragged(rows), true) = (rows, train && !want.attentions)
            && has_attention_kernel(&self.query.weight)?
            && ![&self.query, &self.key, &self.value].iter().any(|layer| layer.is_adapted())
        {
            // A single product gives queries, keys and values. It has to copy the weights, which does not pay for a
            // few tokens.
            let joint = Linear::forward_joint([&self.query, &self.key, &self.value], input)?;
            let context = self.attention.forward_joint(&joint, rows, train)?;
            return Ok((self.after_attention(context, residual, train)?, None));
        }
        let mixed = {
            // These tensors are dropped at the end of the block, so that later ones may reuse their memory.
            let query = self.query.forward(input, train)?;
            let key = self.key.forward(input, train)?;
            let value = self.value.forward(input, train)?;
            self.attention.forward([&query, &key, &value], rows, train, want.attentions)?
        };
        Ok((self.after_attention(mixed.context, residual, train)?, mixed.probabilities))
    }

    /// The next hidden states `[n, d]` of the selected tokens. The other tokens of `[t, d]` serve as keys and values
    /// only.
    pub(super) fn forward_at(
        &self,
        hidden_td: &Hidden,
        rows: &RaggedRows,
        picked: &Picked,
        train: bool,
    ) -> Result<Hidden> {
        let hidden_nd = hidden_td.residual.f_index_select(0, &picked.positions_n)?;
        let query = self.query.forward(&hidden_nd, train)?;
        let key = self.key.forward(&hidden_td.input, train)?;
        let value = self.value.forward(&hidden_td.input, train)?;
        let projections = [&query, &key, &value];
        let context = self.attention.forward_at(projections, &picked.offsets, rows, train)?;
        self.after_attention(context, &hidden_nd, train)
    }

    /// The part of the layer after the attention.
    fn after_attention(&self, context: Tensor, residual: &Tensor, train: bool) -> Result<Hidden> {
        let mixed = self.attention_output.forward(&context, train)?;
        drop(context);
        let [attended, residual] =
            self.attention_norm.after(mixed, residual, self.dropout, train)?;
        let layers = [&self.intermediate, &self.output];
        let output = Linear::mlp(layers, &attended, self.activation, train)?;
        Ok(self.output_norm.after(output, &residual, self.dropout, train)?.into())
    }
}
