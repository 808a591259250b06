//! How SigLIP makes one vector of a row.
//!
//! Shapes: b rows, l patches, d hidden size.

use sst_core::nn::{Activation, Attention, LayerNorm, Linear, has_attention_kernel, linear};
use sst_core::{HeadInput, Init, RaggedRows, Result, Scope};
use tch::Tensor;

use super::config::{SiglipVisionConfig, init};
use crate::tower::Pool;

/// A linear layer on the hidden state of the last token, which may be padding.
pub(super) struct TextHead(pub(super) Linear);

impl Pool for TextHead {
    fn input(&self) -> HeadInput {
        HeadInput::LastToken { padding_id: None }
    }

    fn forward(&self, hidden: &Tensor, train: bool) -> Result<Tensor> {
        self.0.forward(hidden, train)
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.0.parameters().collect()
    }
}

/// The attention of one learned query to all patches, then an MLP with a residual connection ("multihead attention
/// pooling", Zhai et al. 2021, "Scaling Vision Transformers").
pub(super) struct AttentionPool {
    /// `[1, 1, d]`.
    probe: Tensor,
    /// `[3 d, d]`: the projections to queries, keys and values, as in PyTorch's `MultiheadAttention`.
    weight: Tensor,
    /// `[3 d]`.
    bias: Tensor,
    attention: Attention,
    output: Linear,
    norm: LayerNorm,
    layers: [Linear; 2],
    activation: Activation,
}

impl AttentionPool {
    /// Makes the parameters in the module `head` of `scope`, the tower's.
    pub(super) fn new(tower: &Scope<'_>, config: &SiglipVisionConfig) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let scope = tower.sub("head");
        let (attention, mlp, stds) = (scope.sub("attention"), scope.sub("mlp"), init(width, inner));
        let normal = |variance: f64| Init::Normal(variance.sqrt());
        let (probe, joint) = (normal(1.0 / width as f64), normal(0.5 / width as f64));
        let output = attention.sub("out_proj");
        Ok(Self {
            probe: tower.param("head.probe", &[1, 1, width], probe)?,
            weight: attention.param("in_proj_weight", &[3 * width, width], joint)?,
            bias: attention.param("in_proj_bias", &[3 * width], Init::Zeros)?,
            attention: Attention::bidirectional(config.num_attention_heads, 0.0),
            output: Linear::new(&output, width, width, (width as f64).powf(-0.5))?,
            norm: LayerNorm::new(&scope.sub("layernorm"), width, config.layer_norm_eps)?,
            layers: [
                Linear::new(&mlp.sub("fc1"), width, inner, stds.inner)?,
                Linear::new(&mlp.sub("fc2"), inner, width, stds.output)?,
            ],
            activation: config.hidden_act,
        })
    }

    /// Projection `i` of queries, keys and values.
    fn project(&self, x: &Tensor, i: i64) -> Result<Tensor> {
        let width = self.weight.size()[1];
        let weight = self.weight.f_narrow(0, i * width, width)?;
        linear(x, &weight, Some(&self.bias.f_narrow(0, i * width, width)?))
    }

    /// The attention of the query to each row, `[b, d]`.
    fn attend(&self, hidden_bld: &Tensor) -> Result<Tensor> {
        let (b, l, width) = hidden_bld.size3()?;
        let hidden_td = hidden_bld.f_reshape([b * l, width])?;
        let query = self.project(&self.probe.f_reshape([1, width])?, 0)?;
        let query_bd = query.f_expand([b, width], false)?.f_contiguous()?;
        let [key_td, value_td] = [self.project(&hidden_td, 1)?, self.project(&hidden_td, 2)?];
        if has_attention_kernel(&query_bd)? {
            let rows = RaggedRows::new(&vec![l as usize; b as usize], hidden_bld.device());
            let offsets: Vec<i64> = (0..=b).collect();
            return self.attention.forward_at(
                [&query_bd, &key_td, &value_td],
                &offsets,
                &rows,
                false,
            );
        }
        // Axes b, head, token, width of a head.
        let heads = |x: &Tensor, count: i64| -> Result<Tensor> {
            let x = x.f_reshape([b, count, self.attention.num_heads, -1])?;
            Ok(x.f_transpose(1, 2)?)
        };
        let context = Tensor::f_scaled_dot_product_attention(
            &heads(&query_bd, 1)?,
            &heads(&key_td, l)?,
            &heads(&value_td, l)?,
            None::<Tensor>,
            0.0,
            false,
            None,
            false,
        )?;
        Ok(context.f_transpose(1, 2)?.f_reshape([b, width])?)
    }
}

impl Pool for AttentionPool {
    fn input(&self) -> HeadInput {
        HeadInput::WholeRow
    }

    fn forward(&self, hidden: &Tensor, train: bool) -> Result<Tensor> {
        let mixed_bd = self.output.forward(&self.attend(hidden)?, train)?;
        let normal_bd = self.norm.before(&mixed_bd)?;
        let [up, down] = &self.layers;
        let inner_bd = Linear::mlp([up, down], &normal_bd, self.activation, train)?;
        Ok(mixed_bd.f_add(&inner_bd)?)
    }

    fn parameters(&self) -> Vec<&Tensor> {
        let own = [&self.probe, &self.weight, &self.bias];
        let layers = std::iter::once(&self.output).chain(&self.layers);
        let layers = layers.flat_map(Linear::parameters).chain(self.norm.parameters());
        own.into_iter().chain(layers).collect()
    }
}
