//! The encoder: embeddings, layers, pooler.
//!
//! Shapes: b batch, l length, d hidden size.

use sst_core::nn::{Embedding, LayerNorm, Linear, Rows, dropout, has_attention_kernel};
use sst_core::{
    Encoder, EncoderInput, EncoderOutput, Error, Forward, Init, RaggedRows, Result, Scope, Want,
    pad_even,
};
use tch::{Kind, Tensor};

use super::config::BertConfig;
use super::layer::{Hidden, Layer, Picked};
use crate::init::InitOptions;

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

    /// The embeddings of tokens that fit the positions.
    fn embed(&self, input: EncoderInput<'_>, train: bool) -> Result<Tensor> {
        let length = longest(input);
        if length > self.num_positions {
            return Err(Error::Contract(format!(
                "a row of {length} tokens does not fit the model's {} positions; \
                 lower data.max_length or truncate",
                self.num_positions
            )));
        }
        self.embeddings.forward(input, train)
    }

    /// Runs layer `i`, or has it run again in the backward pass.
    fn layer(
        &self,
        i: usize,
        hidden_bld: &Hidden,
        rows: Rows<'_>,
        forward: Forward,
    ) -> Result<(Hidden, Option<Tensor>)> {
        if !(self.checkpointed[i] && forward.train && !forward.want.attentions) {
            return self.layers[i].forward(hidden_bld, rows, forward);
        }
        let (layer, rows) = (self.layers[i].handle(), rows.to_owned());
        let next_bld = sst_kernels::checkpoint_all(hidden_bld.both(), move |both| -> Result<_> {
            let hidden_bld = both.map(Tensor::shallow_clone).into();
            let Hidden { factor, residual } =
                layer.forward(&hidden_bld, rows.as_rows(), forward)?.0;
            Ok([factor, residual])
        })?;
        Ok((next_bld.into(), None))
    }

    /// The same of the last layer, for some tokens alone.
    fn last_layer_at(
        &self,
        hidden_td: &Hidden,
        rows: &RaggedRows,
        picked: Picked,
        train: bool,
    ) -> Result<Tensor> {
        let last = self.layers.len() - 1;
        if !(self.checkpointed[last] && train) {
            return Ok(self.layers[last].forward_at(hidden_td, rows, &picked, train)?.factor);
        }
        let (layer, rows) = (self.layers[last].handle(), rows.clone());
        let [last_nd] = sst_kernels::checkpoint_all(hidden_td.both(), move |both| -> Result<_> {
            let hidden_td = both.map(Tensor::shallow_clone).into();
            Ok([layer.forward_at(&hidden_td, &rows, &picked, train)?.factor])
        })?;
        Ok(last_nd)
    }
}

impl Encoder for BertModel {
    fn encode(&self, input: EncoderInput<'_>, forward: Forward) -> Result<EncoderOutput> {
        let mut hidden_bld = self.embed(input, forward.train)?;
        let mask = match input.attention_mask {
            None => None,
            // [b, l] to [b, 1, 1, l]: every query sees the same keys.
            Some(mask) => Some(mask.f_unsqueeze(1)?.f_unsqueeze(1)?),
        };
        let rows = match input.rows {
            Some(rows) => Rows::Ragged(rows),
            None => Rows::Padded { mask: mask.as_ref() },
        };
        let Want { attentions, hidden_states } = forward.want;
        let num_tokens = hidden_bld.size()[0];
        if input.rows.is_some() && !attentions && !hidden_states {
            hidden_bld = pad_even(hidden_bld)?;
        }
        let mut hidden_bld = Hidden::new(&hidden_bld)?;
        let mut hidden_states = hidden_states.then(Vec::new);
        let mut attentions = attentions.then(Vec::new);
        for i in 0..self.layers.len() {
            if let Some(states) = &mut hidden_states {
                states.push(hidden_bld.residual.shallow_clone());
            }
            let (next, probabilities) = self.layer(i, &hidden_bld, rows, forward)?;
            hidden_bld = next;
            if let (Some(all), Some(probabilities)) = (&mut attentions, probabilities) {
                all.push(probabilities);
            }
        }
        if let Some(states) = &mut hidden_states {
            states.push(hidden_bld.residual.shallow_clone());
        }
        let mut hidden_bld = hidden_bld.residual;
        if hidden_bld.size()[0] != num_tokens {
            hidden_bld = hidden_bld.f_narrow(0, 0, num_tokens)?;
        }
        Ok(EncoderOutput { hidden_bld, attentions, hidden_states })
    }

    /// The last layer computes keys and values of all tokens, and everything else of the wanted ones.
    fn encode_at(
        &self,
        input: EncoderInput<'_>,
        positions_n: &Tensor,
        forward: Forward,
    ) -> Result<Tensor> {
        let rows = match (input.rows, input.attention_mask) {
            (Some(rows), _) => Some(rows.clone()),
            (None, None) => {
                let (rows, length) = input.input_ids.size2()?;
                let lengths = vec![length as usize; rows as usize];
                Some(RaggedRows::new(&lengths, input.input_ids.device()))
            }
            (None, Some(_)) => None,
        };
        let can = has_attention_kernel(&self.embeddings.word.weight)? && !self.layers.is_empty();
        let picked = match &rows {
            Some(rows) if can => rows.offsets_of(&Vec::<i64>::try_from(positions_n)?),
            _ => None,
        };
        let (Some(rows), Some(offsets)) = (rows, picked) else {
            return self.encode(input, forward)?.at(positions_n);
        };
        let hidden_td = self.embed(input, forward.train)?;
        let hidden_td = pad_even(hidden_td.f_reshape([rows.num_tokens(), self.width])?)?;
        let mut hidden_td = Hidden::new(&hidden_td)?;
        for i in 0..self.layers.len() - 1 {
            hidden_td = self.layer(i, &hidden_td, Rows::Ragged(&rows), forward)?.0;
        }
        let picked = Picked { positions_n: positions_n.shallow_clone(), offsets };
        self.last_layer_at(&hidden_td, &rows, picked, forward.train)
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
        Ok(Self {
            word: table("word_embeddings", config.vocab_size, config.padding_row(), normal)?,
            position: table(
                "position_embeddings",
                config.max_position_embeddings,
                None,
                init.of_positions(normal),
            )?,
            token_type: table("token_type_embeddings", config.type_vocab_size, None, normal)?,
            norm: LayerNorm::new(&scope.sub("LayerNorm"), width, config.layer_norm_eps)?,
            dropout: config.hidden_dropout_prob,
        })
    }

    fn forward(&self, input: EncoderInput<'_>, train: bool) -> Result<Tensor> {
        let ids = input.input_ids;
        let segments = match input.token_type_ids {
            Some(segments) => segments.shallow_clone(),
            // All in segment 0.
            None => ids.f_zeros_like()?,
        };
        let positions = match input.rows {
            Some(rows) => rows.positions()?,
            None => {
                Tensor::f_arange(longest(input), (Kind::Int64, ids.device()))?.f_expand_as(ids)?
            }
        };
        let sum = Embedding::sum(&[
            (&self.word, ids),
            (&self.token_type, &segments),
            (&self.position, &positions),
        ])?;
        dropout(self.norm.forward(&sum)?, self.dropout, train)
    }
}
