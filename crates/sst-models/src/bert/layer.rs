//! One layer of the encoder.
//!
//! Shapes: b batch, l length, t tokens of all rows, n of them that are wanted, d hidden size.

use sst_core::nn::{Activation, Attention, LayerNorm, Linear, Rows, has_attention_kernel, mlp};
use sst_core::{Forward, RaggedRows, Result, Scope};
use sst_kernels::{WeightLayout, fork};
use tch::Tensor;

use super::config::BertConfig;
use crate::init::{InitOptions, Queries};

/// Attention, then two linear layers, each with a residual and a norm after it.
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

/// A hidden state, as the norm that made it gives it: a handle for each of the two that it goes on to.
#[derive(Debug)]
pub(super) struct Hidden {
    /// For products.
    pub(super) factor: Tensor,
    /// For the residual.
    pub(super) residual: Tensor,
}

impl Hidden {
    /// Of what no norm gives twice.
    pub(super) fn new(hidden: &Tensor) -> Result<Self> {
        Ok(fork(hidden)?.into())
    }

    pub(super) fn both(&self) -> [&Tensor; 2] {
        [&self.factor, &self.residual]
    }
}

impl From<[Tensor; 2]> for Hidden {
    fn from([factor, residual]: [Tensor; 2]) -> Self {
        Self { factor, residual }
    }
}

/// The tokens whose next hidden states are wanted.
#[derive(Debug)]
pub(super) struct Picked {
    /// Their places, in order.
    pub(super) positions_n: Tensor,
    /// The first of each row, and the end of the last.
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

    /// Another handle on the same parameters.
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

    /// The next hidden state and, if wanted, the attention probabilities.
    pub(super) fn forward(
        &self,
        hidden_bld: &Hidden,
        rows: Rows<'_>,
        forward: Forward,
    ) -> Result<(Hidden, Option<Tensor>)> {
        let Hidden { factor, residual } = hidden_bld;
        let Forward { train, want } = forward;
        if let (Rows::Ragged(rows), true) = (rows, train && !want.attentions)
            && has_attention_kernel(&self.query.weight)?
        {
            // One product instead of three, for which the weights are copied: too much for a few tokens.
            let joint = Linear::forward_joint([&self.query, &self.key, &self.value], factor)?;
            let context = self.attention.forward_joint(&joint, rows, train)?;
            return Ok((self.rest(context, residual, train)?, None));
        }
        let mixed = {
            // None of them is needed after that, and others may have their memory.
            let query = self.query.forward(factor)?;
            let key = self.key.forward(factor)?;
            let value = self.value.forward(factor)?;
            self.attention.forward([&query, &key, &value], rows, train, want.attentions)?
        };
        Ok((self.rest(mixed.context, residual, train)?, mixed.probabilities))
    }

    /// The next hidden state `[n, d]` of some tokens of the ragged `[t, d]`. The others are keys and values
    /// and nothing else.
    pub(super) fn forward_at(
        &self,
        hidden_td: &Hidden,
        rows: &RaggedRows,
        picked: &Picked,
        train: bool,
    ) -> Result<Hidden> {
        let hidden_nd = hidden_td.residual.f_index_select(0, &picked.positions_n)?;
        let query = self.query.forward(&hidden_nd)?;
        let key = self.key.forward(&hidden_td.factor)?;
        let value = self.value.forward(&hidden_td.factor)?;
        let projections = [&query, &key, &value];
        let context = self.attention.forward_at(projections, &picked.offsets, rows, train)?;
        self.rest(context, &hidden_nd, train)
    }

    /// What follows the attention, token by token.
    fn rest(&self, context: Tensor, residual: &Tensor, train: bool) -> Result<Hidden> {
        let mixed = self.attention_output.forward(&context)?;
        drop(context);
        let [attended, residual] =
            self.attention_norm.after(mixed, residual, self.dropout, train)?;
        let layers = [self.intermediate.affine(), self.output.affine()];
        let output = mlp(&attended, layers, WeightLayout::OutIn, self.activation)?;
        Ok(self.output_norm.after(output, &residual, self.dropout, train)?.into())
    }
}
