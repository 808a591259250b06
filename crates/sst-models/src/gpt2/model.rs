//! The decoder of GPT-2: embeddings, layers and the last norm.
//!
//! Shapes: t tokens of all rows, d hidden size.

use sst_core::nn::{Embedding, KvCache, LayerNorm, dropout};
use sst_core::{
    Decoder, Embedded, Encoder, EncoderOutput, Forward, Init, Input, InputSpec, RaggedRows, Result,
    Scope,
};
use tch::Tensor;

use super::config::Gpt2Config;
use super::layer::Layer;
use crate::causal::CausalDecoder;
use crate::decoder::{Flat, Stack, check_length};
use crate::init::InitOptions;

/// The GPT-2 decoder.
#[derive(Debug)]
pub(super) struct Gpt2Model {
    words: Embedding,
    positions: Embedding,
    dropout: f64,
    layers: Stack<Layer>,
    norm: LayerNorm,
}

impl Gpt2Model {
    pub(super) fn new(scope: &Scope<'_>, config: &Gpt2Config, init: InitOptions) -> Result<Self> {
        let (width, normal) = (config.n_embd, Init::Normal(config.initializer_range));
        let table = |name: &str, count: i64, init: Init| {
            Embedding::new(&scope.sub(name), count, width, None, init)
        };
        let words = table("wte", config.vocab_size, normal)?;
        let positions = table("wpe", config.n_positions, init.of_positions(normal))?;
        let layers = (0..config.n_layer).map(|i| Layer::new(&scope.sub("h").sub(i), config, i));
        let layers = Stack::new(layers.collect::<Result<_>>()?);
        let norm = LayerNorm::new(&scope.sub("ln_f"), width, config.layer_norm_epsilon)?;
        Ok(Self { words, positions, dropout: config.embd_pdrop, layers, norm })
    }

    fn embed_tokens(&self, ids_t: &Tensor, positions_t: &Tensor, train: bool) -> Result<Tensor> {
        let sum_td = Embedding::sum(&[(&self.words, ids_t), (&self.positions, positions_t)])?;
        dropout(sum_td, self.dropout, train)
    }
}

impl Encoder for Gpt2Model {
    fn spec(&self) -> InputSpec {
        InputSpec::Text {
            vocab_size: self.words.weight.size()[0] as usize,
            max_length: self.positions.weight.size()[0] as usize,
        }
    }

    fn hidden_size(&self) -> i64 {
        self.words.weight.size()[1]
    }

    /// The sum of word and position embeddings, after dropout.
    fn embed(&self, input: Input<'_>, forward: Forward) -> Result<Embedded> {
        let tokens = input.tokens()?;
        let rows = tokens.layout();
        let flat = Flat::new(&rows, tokens.input_ids)?;
        check_length(flat.rows.longest(), self.positions.weight.size()[0])?;
        let ids_t = flat.take(tokens.input_ids)?;
        let hidden_td = self.embed_tokens(&ids_t, &flat.rows.positions()?, forward.train)?;
        Ok(Embedded { hidden: flat.restore(&hidden_td)?, rows })
    }

    /// The last of the hidden states, if wanted, is the output after the last norm, as in transformers.
    fn encode_embedded(&self, embedded: Embedded, forward: Forward) -> Result<EncoderOutput> {
        let Embedded { hidden, rows } = embedded;
        let flat = Flat::new(&rows, &hidden)?;
        let hidden_td = flat.pad_to_kernel_rows(flat.take(&hidden)?, forward)?;
        drop(hidden);
        let mut output = self.layers.run(hidden_td, &flat.rows, None, forward)?;
        output.hidden_bld = self.norm.before(&output.hidden_bld)?;
        flat.restore_output(output, rows)
    }
}

impl Decoder for Gpt2Model {
    fn extend(&self, input_ids: &Tensor, rows: &RaggedRows, cache: &mut KvCache) -> Result<Tensor> {
        let new = cache.begin(rows)?;
        check_length(new.longest(), self.positions.weight.size()[0])?;
        let hidden_td = self.embed_tokens(input_ids, new.positions(), false)?;
        let hidden_td = self.layers.extend(hidden_td, cache, &new, None)?;
        cache.finish(new);
        self.norm.before(&hidden_td)
    }
}

impl CausalDecoder for Gpt2Model {
    fn word_embeddings(&self) -> &Tensor {
        &self.words.weight
    }

    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize {
        self.layers.checkpoint_layers(select)
    }
}
