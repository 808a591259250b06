//! The encoder: embeddings, layers, pooler.
//!
//! Shapes: b batch, l length, d hidden size.

use sst_core::nn::Activation;
use sst_core::nn::{Attention, Embedding, LayerNorm, Linear, Rows, dropout};
use sst_core::{
    Encoder, EncoderInput, EncoderOutput, Error, Forward, Init, RaggedRows, Result, Scope, ext,
};
use tch::Tensor;

use super::config::BertConfig;
use crate::init::{InitOptions, Positions, Queries};

/// The BERT encoder.
#[derive(Debug)]
pub struct BertModel {
    embeddings: Embeddings,
    layers: Vec<Layer>,
    /// Layers that run again in the backward pass.
    checkpointed: Vec<bool>,
    pooler: Option<Linear>,
    num_positions: i64,
    num_tokens: i64,
    width: i64,
}

#[derive(Debug)]
struct Embeddings {
    word: Embedding,
    position: Embedding,
    token_type: Embedding,
    norm: LayerNorm,
    dropout: f64,
}

#[derive(Debug)]
struct Layer {
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

impl BertModel {
    /// Makes the parameters of the encoder in `scope`, under the hub's names.
    ///
    /// # Errors
    /// If a name is taken, or libtorch fails.
    pub fn new(
        scope: &Scope<'_>,
        config: &BertConfig,
        init: InitOptions,
        with_pooler: bool,
    ) -> Result<Self> {
        let embeddings = Embeddings::new(&scope.sub("embeddings"), config, init)?;
        let layers = scope.sub("encoder").sub("layer");
        let layers = (0..config.num_hidden_layers)
            .map(|i| Layer::new(&layers.sub(i), config, init))
            .collect::<Result<Vec<_>>>()?;
        let checkpointed = vec![false; layers.len()];
        let (width, std) = (config.hidden_size, config.initializer_range);
        let pooler = match with_pooler {
            true => Some(Linear::new(&scope.sub("pooler").sub("dense"), width, width, std)?),
            false => None,
        };
        let num_positions = config.max_position_embeddings;
        let num_tokens = config.vocab_size;
        Ok(Self { embeddings, layers, checkpointed, pooler, num_positions, num_tokens, width })
    }

    /// Picks the layers that run again in the backward pass; returns how many there are.
    pub fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize {
        for (i, checkpointed) in self.checkpointed.iter_mut().enumerate() {
            *checkpointed = select(i);
        }
        self.checkpointed.iter().filter(|on| **on).count()
    }

    /// The word embeddings `[v, d]`, to tie a head to them.
    pub fn word_embeddings(&self) -> &Tensor {
        &self.embeddings.word.weight
    }

    /// The pooled `[b, d]` of the first tokens' hidden states `[b, d]`, if this model has a pooler.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn pooled(&self, first_bd: &Tensor) -> Result<Option<Tensor>> {
        match &self.pooler {
            None => Ok(None),
            Some(dense) => Ok(Some(dense.forward(first_bd)?.f_tanh()?)),
        }
    }
}

impl Encoder for BertModel {
    fn encode(&self, input: EncoderInput<'_>, forward: Forward) -> Result<EncoderOutput> {
        let length = longest(input);
        if length > self.num_positions {
            return Err(Error::Contract(format!(
                "a row of {length} tokens does not fit the model's {} positions; \
                 lower data.max_length or truncate",
                self.num_positions
            )));
        }
        let mask = match input.attention_mask {
            None => None,
            // [b, l] to [b, 1, 1, l]: every query sees the same keys.
            Some(mask) => Some(mask.f_unsqueeze(1)?.f_unsqueeze(1)?),
        };
        let rows = match input.rows {
            Some(rows) => Rows::Ragged(rows),
            None => Rows::Padded { mask: mask.as_ref() },
        };
        let mut hidden_bld = self.embeddings.forward(input, forward.train)?;
        let mut hidden_states = forward.want.hidden_states.then(Vec::new);
        let mut attentions = forward.want.attentions.then(Vec::new);
        for (layer, checkpointed) in self.layers.iter().zip(&self.checkpointed) {
            if let Some(states) = &mut hidden_states {
                states.push(hidden_bld.shallow_clone());
            }
            if *checkpointed && forward.train && attentions.is_none() {
                let (layer, rows) = (layer.handle(), rows.to_owned());
                hidden_bld = ext::checkpoint(&hidden_bld, move |hidden_bld| {
                    Ok(layer.forward(hidden_bld, rows.as_rows(), forward)?.0)
                })?;
                continue;
            }
            let (next, probabilities) = layer.forward(&hidden_bld, rows, forward)?;
            hidden_bld = next;
            if let (Some(all), Some(probabilities)) = (&mut attentions, probabilities) {
                all.push(probabilities);
            }
        }
        if let Some(states) = &mut hidden_states {
            states.push(hidden_bld.shallow_clone());
        }
        Ok(EncoderOutput { hidden_bld, attentions, hidden_states })
    }

    fn hidden_size(&self) -> i64 {
        self.width
    }

    fn max_length(&self) -> usize {
        self.num_positions as usize
    }

    fn vocab_size(&self) -> usize {
        self.num_tokens as usize
    }
}

/// The tokens of the longest row.
fn longest(input: EncoderInput<'_>) -> i64 {
    let padded = || input.input_ids.size().last().copied().unwrap_or(0);
    input.rows.map_or_else(padded, RaggedRows::longest)
}

impl Embeddings {
    fn new(scope: &Scope<'_>, config: &BertConfig, init: InitOptions) -> Result<Self> {
        let (width, normal) = (config.hidden_size, Init::Normal(config.initializer_range));
        let table = |name: &str, count: i64, padding: Option<i64>, init: Init| {
            Embedding::new(&scope.sub(name), count, width, padding, init)
        };
        let first_positions = match init.positions {
            Positions::Normal => normal,
            Positions::Sinusoid => Init::Sinusoid {
                amplitude: init.amplitude.unwrap_or(InitOptions::AMPLITUDE),
                base: init.base.unwrap_or(InitOptions::BASE),
            },
        };
        Ok(Self {
            word: table("word_embeddings", config.vocab_size, config.pad_token_id, normal)?,
            position: table(
                "position_embeddings",
                config.max_position_embeddings,
                None,
                first_positions,
            )?,
            token_type: table("token_type_embeddings", config.type_vocab_size, None, normal)?,
            norm: LayerNorm::new(&scope.sub("LayerNorm"), width, config.layer_norm_eps)?,
            dropout: config.hidden_dropout_prob,
        })
    }

    fn forward(&self, input: EncoderInput<'_>, train: bool) -> Result<Tensor> {
        let segments = match input.token_type_ids {
            Some(ids) => self.token_type.forward(ids)?,
            // All in segment 0: one row, broadcast.
            None => self.token_type.weight.f_narrow(0, 0, 1)?,
        };
        let positions = match input.rows {
            Some(rows) => self.position.forward(&rows.positions()?)?,
            None => self.position.weight.f_narrow(0, 0, longest(input))?,
        };
        let sum = self.word.forward(input.input_ids)?.f_add(&segments)?.f_add(&positions)?;
        dropout(self.norm.forward(&sum)?, self.dropout, train)
    }
}

impl Layer {
    fn new(scope: &Scope<'_>, config: &BertConfig, init: InitOptions) -> Result<Self> {
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
            attention: Attention {
                num_heads: config.num_attention_heads,
                dropout: config.attention_probs_dropout_prob,
            },
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
    fn handle(&self) -> Self {
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
    fn forward(
        &self,
        hidden_bld: &Tensor,
        rows: Rows<'_>,
        forward: Forward,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let Forward { train, want } = forward;
        let query = self.query.forward(hidden_bld)?;
        let key = self.key.forward(hidden_bld)?;
        let value = self.value.forward(hidden_bld)?;
        let mixed = self.attention.forward([&query, &key, &value], rows, train, want.attentions)?;
        let mixed_bld = self.attention_output.forward(&mixed.context)?;
        let attended_bld = self.attention_norm.after(mixed_bld, hidden_bld, self.dropout, train)?;

        let inner = self.activation.apply(&self.intermediate.forward(&attended_bld)?)?;
        let output_bld = self.output.forward(&inner)?;
        let next_bld = self.output_norm.after(output_bld, &attended_bld, self.dropout, train)?;
        Ok((next_bld, mixed.probabilities))
    }
}
