//! The pre-norm transformer layer of image models and of their text towers.
//!
//! Shapes: t tokens of all rows, d hidden size.

use sst_core::nn::{Activation, Attention, LayerNorm, Linear, dropout, has_attention_kernel};
use sst_core::{
    Embedded, EncoderOutput, Error, Forward, HeadInput, RaggedRows, Result, RowLayout, Scope,
};
use tch::{Device, Tensor};

use crate::decoder::{DecoderLayer, Flat, LayerContext, Stack};
use crate::error::{ModelError, bad};

/// The names of the modules of a layer.
#[derive(Debug)]
pub(crate) struct BlockNames {
    query: &'static str,
    key: &'static str,
    value: &'static str,
    attention_output: &'static str,
    attention_norm: &'static str,
    norm: &'static str,
    inner: &'static str,
    output: &'static str,
}

/// The names in ViT and ViTMAE.
pub(crate) const VIT_NAMES: BlockNames = BlockNames {
    query: "attention.attention.query",
    key: "attention.attention.key",
    value: "attention.attention.value",
    attention_output: "attention.output.dense",
    attention_norm: "layernorm_before",
    norm: "layernorm_after",
    inner: "intermediate.dense",
    output: "output.dense",
};

/// The names in CLIP and SigLIP.
pub(crate) const CLIP_NAMES: BlockNames = BlockNames {
    query: "self_attn.q_proj",
    key: "self_attn.k_proj",
    value: "self_attn.v_proj",
    attention_output: "self_attn.out_proj",
    attention_norm: "layer_norm1",
    norm: "layer_norm2",
    inner: "mlp.fc1",
    output: "mlp.fc2",
};

/// The standard deviations of the initial weights of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockInit {
    pub(crate) queries: f64,
    pub(crate) attention_output: f64,
    pub(crate) inner: f64,
    pub(crate) output: f64,
}

impl BlockInit {
    /// The same standard deviation for all weights.
    pub(crate) fn all(std: f64) -> Self {
        Self { queries: std, attention_output: std, inner: std, output: std }
    }
}

/// The sizes and settings of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockConfig {
    /// d.
    pub(crate) width: i64,
    pub(crate) num_heads: i64,
    /// The width of the MLP.
    pub(crate) inner: i64,
    pub(crate) activation: Activation,
    /// Whether the projections to queries, keys and values have biases.
    pub(crate) qkv_bias: bool,
    /// The dropout probability after the attention and the MLP.
    pub(crate) dropout: f64,
    /// The dropout probability of the attention probabilities.
    pub(crate) attention_dropout: f64,
    /// The number that LayerNorm adds to the variance.
    pub(crate) eps: f64,
    /// Whether a token attends only to itself and earlier tokens.
    pub(crate) causal: bool,
    pub(crate) init: BlockInit,
}

/// Refuses a width that does not divide into heads. The names are those of the keys.
pub(crate) fn check_heads(key: &str, width: i64, num_heads: i64) -> Result<(), ModelError> {
    if width % num_heads == 0 {
        return Ok(());
    }
    Err(bad(key, &format!("{width} does not divide into {num_heads} heads")))
}

/// Runs layers on embeddings `[b, l, d]` or `[t, d]`, and then the last norm, if there is one. The last of the hidden
/// states, if wanted, is the output of the last layer, before that norm.
pub(crate) fn run(
    layers: &Stack<Block>,
    last_norm: Option<&LayerNorm>,
    embedded: Embedded,
    forward: Forward,
) -> Result<EncoderOutput> {
    let Embedded { hidden, rows } = embedded;
    let flat = Flat::new(&rows, &hidden)?;
    let hidden_td = flat.pad_to_kernel_rows(flat.take(&hidden)?, forward)?;
    drop(hidden);
    let mut output = layers.run(hidden_td, &flat.rows, None, forward)?;
    if let Some(states) = &mut output.hidden_states {
        states.push(output.hidden_bld.shallow_clone());
        let restored = states.iter().map(|state| flat.restore(state));
        *states = restored.collect::<Result<_>>()?;
    }
    let last_td = match last_norm {
        Some(norm) => norm.before(&output.hidden_bld)?,
        None => output.hidden_bld,
    };
    Ok(EncoderOutput { hidden_bld: flat.restore(&last_td)?, rows, ..output })
}

/// The last hidden states `[b, d]` that a head reads, if it reads one of each row and the device has the kernel: the last
/// layer then computes keys and values for all tokens, and everything else for these only. Otherwise what [`run`] gives.
/// `ids` are the tokens of `embedded`.
pub(crate) fn run_for(
    layers: &Stack<Block>,
    last_norm: Option<&LayerNorm>,
    embedded: Embedded,
    (head_input, ids): (HeadInput, Option<&Tensor>),
    forward: Forward,
) -> Result<Tensor> {
    let forward = Forward { train: forward.train, ..Forward::EVAL };
    let flat = Flat::new(&embedded.rows, &embedded.hidden)?;
    let ids_t = ids.map(|ids| flat.take(ids)).transpose()?;
    let (layout, device) = (RowLayout::Ragged(flat.rows.clone()), embedded.hidden.device());
    let places = layout.places(&[flat.rows.num_tokens()], head_input, ids_t.as_ref(), device)?;
    let (Some(places_b), true) = (places, has_attention_kernel(&embedded.hidden)?) else {
        return run(layers, last_norm, embedded, forward)?.select(head_input, ids);
    };
    let hidden_td = flat.pad_to_kernel_rows(flat.take(&embedded.hidden)?, forward)?;
    drop(embedded);
    let Some((hidden_td, last, checkpointed)) =
        layers.run_to_last(hidden_td, &flat.rows, forward)?
    else {
        return Err(Error::Contract("a model without layers has no last one".into()));
    };
    let picked = Picked::new(places_b, &flat.rows, last.attention.causal)?;
    let train = forward.train;
    let last_bd = if checkpointed && train {
        let layer = last.handle();
        sst_kernels::checkpoint(&hidden_td, move |hidden_td| {
            layer.forward_at(hidden_td, &picked, train)
        })?
    } else {
        last.forward_at(&hidden_td, &picked, train)?
    };
    match last_norm {
        Some(norm) => norm.before(&last_bd),
        None => Ok(last_bd),
    }
}

/// One token of each row.
struct Picked {
    /// Their places in `[t]`.
    places_b: Tensor,
    /// The ranges of the tokens that they attend to.
    keys: Vec<[i64; 2]>,
}

impl Picked {
    fn new(places_b: Tensor, rows: &RaggedRows, causal: bool) -> Result<Self> {
        let places = Vec::<i64>::try_from(places_b.f_to_device(Device::Cpu)?)?;
        let bounds = rows.offsets().windows(2).zip(places);
        let keys = bounds.map(|(pair, place)| [pair[0], if causal { place + 1 } else { pair[1] }]);
        Ok(Self { places_b, keys: keys.collect() })
    }
}

/// A pre-norm transformer layer: attention and a two-layer MLP, each with a norm before it and a residual connection
/// after it.
#[derive(Debug)]
pub(crate) struct Block {
    attention_norm: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    attention: Attention,
    attention_output: Linear,
    norm: LayerNorm,
    inner: Linear,
    activation: Activation,
    output: Linear,
    dropout: f64,
}

impl Block {
    fn new(scope: &Scope<'_>, names: &BlockNames, config: BlockConfig) -> Result<Self> {
        let BlockConfig { width, inner, eps, init, .. } = config;
        let project = |name: &str| {
            let scope = scope.sub(name);
            match config.qkv_bias {
                true => Linear::new(&scope, width, width, init.queries),
                false => Linear::without_bias(&scope, width, width, init.queries),
            }
        };
        let output = scope.sub(names.attention_output);
        Ok(Self {
            attention_norm: LayerNorm::new(&scope.sub(names.attention_norm), width, eps)?,
            query: project(names.query)?,
            key: project(names.key)?,
            value: project(names.value)?,
            attention: Attention {
                causal: config.causal,
                ..Attention::bidirectional(config.num_heads, config.attention_dropout)
            },
            attention_output: Linear::new(&output, width, width, init.attention_output)?,
            norm: LayerNorm::new(&scope.sub(names.norm), width, eps)?,
            inner: Linear::new(&scope.sub(names.inner), width, inner, init.inner)?,
            activation: config.activation,
            output: Linear::new(&scope.sub(names.output), inner, width, init.output)?,
            dropout: config.dropout,
        })
    }

    /// Makes `depth` layers in the scopes 0, 1, ... of `scope`.
    pub(crate) fn stack(
        scope: &Scope<'_>,
        names: &BlockNames,
        config: BlockConfig,
        depth: i64,
    ) -> Result<Stack<Self>> {
        let layers = (0..depth).map(|i| Self::new(&scope.sub(i), names, config));
        Ok(Stack::new(layers.collect::<Result<_>>()?))
    }

    /// The next hidden states `[b, d]` of one token of each row. The other tokens of `[t, d]` serve as keys and values only.
    fn forward_at(&self, hidden_td: &Tensor, picked: &Picked, train: bool) -> Result<Tensor> {
        let normal_td = self.attention_norm.before(hidden_td)?;
        let query = self.query.forward(&normal_td.f_index_select(0, &picked.places_b)?, train)?;
        let key = self.key.forward(&normal_td, train)?;
        let value = self.value.forward(&normal_td, train)?;
        let context = self.attention.forward_one([&query, &key, &value], &picked.keys, train)?;
        self.after_attention(&context, &hidden_td.f_index_select(0, &picked.places_b)?, train)
    }

    /// The part of the layer after the attention.
    fn after_attention(&self, context: &Tensor, residual: &Tensor, train: bool) -> Result<Tensor> {
        let mixed = self.attention_output.forward(context, train)?;
        let [hidden, normal] = self.norm.between(mixed, residual, self.dropout, train)?;
        let layers = [&self.inner, &self.output];
        let output = Linear::mlp(layers, &normal, self.activation, train)?;
        Ok(hidden.f_add(&dropout(output, self.dropout, train)?)?)
    }

    /// The attention to the normalised hidden states `normal_td`, and its probabilities if wanted.
    fn attend(
        &self,
        normal_td: &Tensor,
        layer_context: LayerContext<'_>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let train = layer_context.forward.train;
        let layers = [&self.query, &self.key, &self.value];
        if let (Some(rows), true) = (layer_context.joint_rows(), train)
            && has_attention_kernel(normal_td)?
            && !layers.iter().any(|layer| layer.is_adapted())
        {
            // A single product gives queries, keys and values. It has to copy the weights, which does not pay for a
            // few tokens.
            let joint = Linear::forward_joint(layers, normal_td)?;
            return Ok((self.attention.forward_joint(&joint, rows, train)?, None));
        }
        let [query, key, value] = layers.map(|layer| layer.forward(normal_td, train));
        let mixed = layer_context.attend(&self.attention, [&query?, &key?, &value?])?;
        Ok((mixed.context, mixed.probabilities))
    }
}

impl DecoderLayer for Block {
    fn handle(&self) -> Self {
        Self {
            attention_norm: self.attention_norm.handle(),
            query: self.query.handle(),
            key: self.key.handle(),
            value: self.value.handle(),
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
        let normal_td = self.attention_norm.before(hidden_td)?;
        let (context, probabilities) = self.attend(&normal_td, layer_context)?;
        drop(normal_td);
        Ok((self.after_attention(&context, hidden_td, train)?, probabilities))
    }
}
