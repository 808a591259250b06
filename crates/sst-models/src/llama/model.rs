//! The decoder of Llama: embeddings, layers and the last norm.
//!
//! Shapes: t tokens of all rows, d hidden size.

use sst_core::nn::{Embedding, KvCache, RmsNorm, Rotary};
use sst_core::{
    Decoder, Embedded, Encoder, EncoderOutput, Forward, Init, Input, InputSpec, RaggedRows, Result,
    Scope,
};
use tch::Tensor;

use super::config::LlamaConfig;
use super::layer::Layer;
use crate::causal::CausalDecoder;
use crate::decoder::{Flat, Stack, check_length};

/// The Llama decoder.
#[derive(Debug)]
pub(super) struct LlamaModel {
    words: Embedding,
    rotary: Rotary,
    layers: Stack<Layer>,
    norm: RmsNorm,
}

impl LlamaModel {
    pub(super) fn new(scope: &Scope<'_>, config: &LlamaConfig, rotary: Rotary) -> Result<Self> {
        let (width, init) = (config.hidden_size, Init::Normal(config.initializer_range));
        let padding = config.padding_row();
        let words = scope.sub("embed_tokens");
        let words = Embedding::new(&words, config.vocab_size, width, padding, init)?;
        let layers = scope.sub("layers");
        let layers = (0..config.num_hidden_layers).map(|i| Layer::new(&layers.sub(i), config));
        let layers = Stack::new(layers.collect::<Result<_>>()?);
        let norm = RmsNorm::new(&scope.sub("norm"), width, config.rms_norm_eps)?;
        Ok(Self { words, rotary, layers, norm })
    }
}

impl Encoder for LlamaModel {
    fn spec(&self) -> InputSpec {
        InputSpec::Text {
            vocab_size: self.words.weight.size()[0] as usize,
            max_length: self.rotary.max_length() as usize,
        }
    }

    fn hidden_size(&self) -> i64 {
        self.words.weight.size()[1]
    }

    /// The word embeddings. Positions enter in each layer, by the rotation of queries and keys.
    fn embed(&self, input: Input<'_>, _forward: Forward) -> Result<Embedded> {
        let tokens = input.tokens()?;
        let rows = tokens.layout();
        let flat = Flat::new(&rows, tokens.input_ids)?;
        check_length(flat.rows.longest(), self.rotary.max_length())?;
        let hidden_td = self.words.forward(&flat.take(tokens.input_ids)?)?;
        Ok(Embedded { hidden: flat.restore(&hidden_td)?, rows })
    }

    /// The last of the hidden states, if wanted, is the output after the last norm, as in transformers.
    fn encode_embedded(&self, embedded: Embedded, forward: Forward) -> Result<EncoderOutput> {
        let Embedded { hidden, rows } = embedded;
        let flat = Flat::new(&rows, &hidden)?;
        let hidden_td = flat.pad_to_kernel_rows(flat.take(&hidden)?, forward)?;
        drop(hidden);
        let rotation = self.rotary.rotation(&flat.positions(hidden_td.size()[0])?, flat.parts())?;
        let mut output = self.layers.run(hidden_td, &flat.rows, Some(&rotation), forward)?;
        output.hidden_bld = self.norm.before(&output.hidden_bld)?;
        flat.restore_output(output, rows)
    }
}

impl Decoder for LlamaModel {
    fn extend(&self, input_ids: &Tensor, rows: &RaggedRows, cache: &mut KvCache) -> Result<Tensor> {
        // If the frequencies depend on the length of a row, its cached keys and values become invalid when they
        // change. The row is then computed again, so that the results with a cache equal those without.
        let read = match self.rotary.changes(0, self.rotary.max_length()) {
            false => None,
            true => Some(cache.renew(input_ids, rows, |from, to| self.rotary.changes(from, to))?),
        };
        let (input_ids, rows) =
            read.as_ref().map_or((input_ids, rows), |read| (&read.input_ids, &read.rows));
        let new = cache.begin(rows)?;
        check_length(new.longest(), self.rotary.max_length())?;
        let rotation = self.rotary.rotation(new.positions(), new.parts())?;
        let hidden_td = self.words.forward(input_ids)?;
        let mut hidden_td = self.layers.extend(hidden_td, cache, &new, Some(&rotation))?;
        cache.finish(new);
        if let Some(read) = &read {
            hidden_td = hidden_td.f_index_select(0, &read.new_t)?;
        }
        self.norm.before(&hidden_td)
    }
}

impl CausalDecoder for LlamaModel {
    fn word_embeddings(&self) -> &Tensor {
        &self.words.weight
    }

    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize {
        self.layers.checkpoint_layers(select)
    }
}
