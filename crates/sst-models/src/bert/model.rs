//! The encoder: embeddings, layers and pooler.
//!
//! Shapes: b batch, l length, d hidden size.

use sst_core::nn::{Embedding, LayerNorm, Rows, dropout, has_attention_kernel};
use sst_core::{
    Embedded, Encoder, EncoderOutput, Error, Forward, HeadInput, Init, Input, InputSpec,
    RaggedRows, Result, RowLayout, Scope, Tokens, Want, pad_to_kernel_rows,
};
use tch::{Kind, Tensor};

use super::config::BertConfig;
use super::layer::{Hidden, Layer, Picked};
use crate::heads::Pooler;
use crate::init::InitOptions;

/// The BERT encoder.
#[derive(Debug)]
pub struct BertModel {
    embeddings: Embeddings,
    layers: Vec<Layer>,
    /// Which layers use activation checkpointing, and so run again in the backward pass.
    checkpointed: Vec<bool>,
    pooler: Option<Pooler>,
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
    /// Makes the parameters of the encoder in `scope`, under their names on the Hugging Face hub.
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
        let pooler = match with_pooler {
            true => {
                let (width, std) = (config.hidden_size, config.initializer_range);
                Some(Pooler::new(&scope.sub("pooler"), width, std)?)
            }
            false => None,
        };
        let num_positions = config.max_position_embeddings;
        let (num_tokens, width) = (config.vocab_size, config.hidden_size);
        Ok(Self { embeddings, layers, checkpointed, pooler, num_positions, num_tokens, width })
    }

    /// Turns on activation checkpointing for the layers that `select` returns true for. Returns their number.
    pub fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize {
        for (i, checkpointed) in self.checkpointed.iter_mut().enumerate() {
            *checkpointed = select(i);
        }
        self.checkpointed.iter().filter(|on| **on).count()
    }

    /// The word embeddings `[v, d]`, for a head that is tied to them.
    pub fn word_embeddings(&self) -> &Tensor {
        &self.embeddings.word.weight
    }

    /// The pooler, if this model has one.
    pub(super) fn pooler(&self) -> Option<&Pooler> {
        self.pooler.as_ref()
    }

    /// The ragged rows, and the tokens at `positions_n` in them, if the last layer can run for these tokens only;
    /// `None` if not.
    fn pick(
        &self,
        embedded: &Embedded,
        positions_n: &Tensor,
    ) -> Result<Option<(RaggedRows, Picked)>> {
        let rows = match &embedded.rows {
            RowLayout::Ragged(rows) => rows.clone(),
            RowLayout::Padded { mask_bl: None } => {
                let (rows, length, _) = embedded.hidden.size3()?;
                let lengths = vec![length as usize; rows as usize];
                RaggedRows::new(&lengths, embedded.hidden.device())
            }
            RowLayout::Padded { mask_bl: Some(_) } => return Ok(None),
        };
        if self.layers.is_empty() || !has_attention_kernel(&self.embeddings.word.weight)? {
            return Ok(None);
        }
        let offsets = rows.offsets_of(&Vec::<i64>::try_from(positions_n)?);
        let picked = |offsets| Picked { positions_n: positions_n.shallow_clone(), offsets };
        Ok(offsets.map(|offsets| (rows, picked(offsets))))
    }

    /// Runs layer `i`, with activation checkpointing if it is on for this layer.
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
        let next_bld =
            sst_kernels::checkpoint_all(hidden_bld.handles(), move |handles| -> Result<_> {
                let hidden_bld = handles.map(Tensor::shallow_clone).into();
                let Hidden { input, residual } =
                    layer.forward(&hidden_bld, rows.as_rows(), forward)?.0;
                Ok([input, residual])
            })?;
        Ok((next_bld.into(), None))
    }

    /// Runs the last layer for the selected tokens only.
    fn last_layer_at(
        &self,
        hidden_td: &Hidden,
        rows: &RaggedRows,
        picked: Picked,
        train: bool,
    ) -> Result<Tensor> {
        let last = self.layers.len() - 1;
        if !(self.checkpointed[last] && train) {
            return Ok(self.layers[last].forward_at(hidden_td, rows, &picked, train)?.input);
        }
        let (layer, rows) = (self.layers[last].handle(), rows.clone());
        let [last_nd] =
            sst_kernels::checkpoint_all(hidden_td.handles(), move |handles| -> Result<_> {
                let hidden_td = handles.map(Tensor::shallow_clone).into();
                Ok([layer.forward_at(&hidden_td, &rows, &picked, train)?.input])
            })?;
        Ok(last_nd)
    }
}

impl Encoder for BertModel {
    fn spec(&self) -> InputSpec {
        InputSpec::Text {
            vocab_size: self.num_tokens as usize,
            max_length: self.num_positions as usize,
        }
    }

    fn hidden_size(&self) -> i64 {
        self.width
    }

    /// The sum of word, position and segment embeddings, after norm and dropout.
    fn embed(&self, input: Input<'_>, forward: Forward) -> Result<Embedded> {
        let tokens = input.tokens()?;
        let length = longest(tokens);
        if length > self.num_positions {
            return Err(Error::RowTooLong { length, limit: self.num_positions });
        }
        let hidden = self.embeddings.forward(tokens, forward.train)?;
        Ok(Embedded { hidden, rows: tokens.layout() })
    }

    fn encode_embedded(&self, embedded: Embedded, forward: Forward) -> Result<EncoderOutput> {
        let Embedded { hidden: mut hidden_bld, rows: layout } = embedded;
        let mask = match &layout {
            // The mask `[b, l]` becomes `[b, 1, 1, l]`, as it is the same for every query.
            RowLayout::Padded { mask_bl: Some(mask_bl) } => {
                Some(mask_bl.f_unsqueeze(1)?.f_unsqueeze(1)?)
            }
            _ => None,
        };
        let rows = match &layout {
            RowLayout::Ragged(rows) => Rows::Ragged(rows),
            RowLayout::Padded { .. } => Rows::Padded { mask: mask.as_ref() },
        };
        let Want { attentions, hidden_states } = forward.want;
        let num_tokens = hidden_bld.size()[0];
        if matches!(layout, RowLayout::Ragged(_)) && !attentions && !hidden_states {
            hidden_bld = pad_to_kernel_rows(hidden_bld)?;
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
        Ok(EncoderOutput { hidden_bld, rows: layout, attentions, hidden_states })
    }

    /// The last layer computes keys and values for all tokens, and everything else for the tokens at `positions_n`
    /// only.
    fn encode_at(
        &self,
        input: Input<'_>,
        positions_n: &Tensor,
        forward: Forward,
    ) -> Result<Tensor> {
        let embedded = self.embed(input, forward)?;
        let Some((rows, picked)) = self.pick(&embedded, positions_n)? else {
            return self.encode_embedded(embedded, forward)?.at(positions_n);
        };
        let hidden_td =
            pad_to_kernel_rows(embedded.hidden.f_reshape([rows.num_tokens(), self.width])?)?;
        let mut hidden_td = Hidden::new(&hidden_td)?;
        for i in 0..self.layers.len() - 1 {
            hidden_td = self.layer(i, &hidden_td, Rows::Ragged(&rows), forward)?.0;
        }
        self.last_layer_at(&hidden_td, &rows, picked, forward.train)
    }

    fn encode_for(
        &self,
        input: Input<'_>,
        head_input: HeadInput,
        forward: Forward,
    ) -> Result<Tensor> {
        let tokens = input.tokens()?;
        let (ids, layout) = (tokens.input_ids, tokens.layout());
        match layout.places(&ids.size(), head_input, Some(ids), ids.device())? {
            Some(places_b) => self.encode_at(input, &places_b, forward),
            None => self.encode(input, forward)?.select(head_input, ids),
        }
    }
}

/// The number of tokens of the longest row.
fn longest(tokens: Tokens<'_>) -> i64 {
    let padded = || tokens.input_ids.size().last().copied().unwrap_or(0);
    tokens.rows.map_or_else(padded, RaggedRows::longest)
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

    fn forward(&self, tokens: Tokens<'_>, train: bool) -> Result<Tensor> {
        let ids = tokens.input_ids;
        let segments = match tokens.token_type_ids {
            Some(segments) => segments.shallow_clone(),
            // Every token is in segment 0.
            None => ids.f_zeros_like()?,
        };
        let positions = match tokens.rows {
            Some(rows) => rows.positions()?,
            None => {
                Tensor::f_arange(longest(tokens), (Kind::Int64, ids.device()))?.f_expand_as(ids)?
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
