//! What the rest of sst knows of a model: its parameters, its encoder and the heads it has.
//!
//! Shapes: b batch, l length, d hidden size, h heads, n selected positions, v vocabulary.

use tch::Tensor;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::nn::KvCache;
use crate::params::ParamStore;
use crate::ragged::RaggedRows;

/// What to return besides the last hidden state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Want {
    /// The attention probabilities of every layer; uses the eager path.
    pub attentions: bool,
    /// The input of the first layer and the output of every layer.
    pub hidden_states: bool,
}

/// How a forward pass is run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forward {
    /// Whether dropout is on.
    pub train: bool,
    /// What to return.
    pub want: Want,
}

impl Forward {
    /// With dropout.
    pub const TRAIN: Self =
        Self { train: true, want: Want { attentions: false, hidden_states: false } };
    /// Without dropout.
    pub const EVAL: Self =
        Self { train: false, want: Want { attentions: false, hidden_states: false } };
}

/// The tokens a text encoder reads.
#[derive(Debug, Clone, Copy)]
pub struct EncoderInput<'a> {
    /// Token ids `[b, l]`, or `[t]` of ragged rows, int64.
    pub input_ids: &'a Tensor,
    /// Where ragged rows lie; `None` for padded ones.
    pub rows: Option<&'a RaggedRows>,
    /// True where there is a token `[b, l]`, bool; `None` when no row is padded.
    pub attention_mask: Option<&'a Tensor>,
    /// Segment ids in the shape of `input_ids`, int64; `None` for all zero.
    pub token_type_ids: Option<&'a Tensor>,
}

impl<'a> EncoderInput<'a> {
    /// The input in the arrays `input_ids`, `attention_mask` and `token_type_ids` of a batch.
    ///
    /// # Errors
    /// If there is no `input_ids`.
    pub fn from_batch(batch: &'a Batch) -> Result<Self> {
        Ok(Self {
            input_ids: batch.get("input_ids")?,
            rows: batch.rows.as_ref(),
            attention_mask: batch.find("attention_mask"),
            token_type_ids: batch.find("token_type_ids"),
        })
    }
}

impl EncoderInput<'_> {
    /// The hidden state of each row's first token, `[b, d]`.
    ///
    /// # Errors
    /// If a row is empty, or libtorch fails.
    pub fn first(&self, hidden_bld: &Tensor) -> Result<Tensor> {
        match self.rows {
            Some(rows) => rows.first(hidden_bld),
            None => Ok(hidden_bld.f_select(1, 0)?),
        }
    }
}

/// What an encoder returns. Hidden states of ragged rows are `[t, d]`.
#[derive(Debug)]
pub struct EncoderOutput {
    /// The last hidden state `[b, l, d]`.
    pub hidden_bld: Tensor,
    /// The attention probabilities `[b, h, l, l]` of every layer, if wanted.
    pub attentions: Option<Vec<Tensor>>,
    /// The embeddings and the output of every layer, each `[b, l, d]`, if wanted.
    pub hidden_states: Option<Vec<Tensor>>,
}

impl EncoderOutput {
    /// The last hidden states `[n, d]` at `positions_n`, flat into `b * l` or `t`.
    ///
    /// # Errors
    /// If a position is outside, or libtorch fails.
    pub fn at(&self, positions_n: &Tensor) -> Result<Tensor> {
        Ok(self.hidden_bld.f_flatten(0, -2)?.f_index_select(0, positions_n)?)
    }
}

/// Turns tokens into hidden states.
pub trait Encoder {
    /// The hidden states of `input`.
    ///
    /// # Errors
    /// If the input does not fit the model or libtorch fails.
    fn encode(&self, input: EncoderInput<'_>, forward: Forward) -> Result<EncoderOutput>;

    /// [`EncoderOutput::at`] for who needs no other hidden state: an encoder may leave out what its last layer
    /// would compute for the rest. `forward.want` is not looked at.
    ///
    /// # Errors
    /// As for [`Encoder::encode`] and [`EncoderOutput::at`].
    fn encode_at(
        &self,
        input: EncoderInput<'_>,
        positions_n: &Tensor,
        forward: Forward,
    ) -> Result<Tensor> {
        self.encode(input, forward)?.at(positions_n)
    }

    /// The width d of a hidden state.
    fn hidden_size(&self) -> i64;
    /// The longest row it reads, special tokens included.
    fn max_length(&self) -> usize;
    /// The number of token ids it knows.
    fn vocab_size(&self) -> usize;
}

/// Scores every token of the vocabulary: the head of masked and causal language models.
pub trait TokenHead {
    /// Logits `[n, v]` for hidden states `[n, d]`. Give it only the positions that count.
    ///
    /// # Errors
    /// If libtorch fails.
    fn logits(&self, hidden_nd: &Tensor, forward: Forward) -> Result<Tensor>;

    /// The parameters that the logits depend on, besides the hidden states.
    fn parameters(&self) -> Vec<&Tensor>;
}

/// An encoder whose tokens see none after themselves, so that what it made of them can be kept.
pub trait Decoder {
    /// The last hidden states `[t, d]` of new tokens `[t]` (int64), which lie in `rows` and continue those in
    /// `cache`. Without dropout.
    ///
    /// # Errors
    /// If a row becomes longer than the model's positions, ids are unknown, or libtorch fails.
    fn extend(&self, input_ids: &Tensor, rows: &RaggedRows, cache: &mut KvCache) -> Result<Tensor>;
}

/// Scores a pair of segments: next-sentence and sentence-order prediction.
pub trait PairHead {
    /// Logits `[b, 2]` for the last hidden states `[b, d]` of each row's first token
    /// ([`EncoderInput::first`]).
    ///
    /// # Errors
    /// If libtorch fails.
    fn logits(&self, first_bd: &Tensor, forward: Forward) -> Result<Tensor>;
}

/// Layers of a model that run one after the other and are counted from 0: the transformer blocks of an encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerStack {
    /// What the names of their parameters begin with, such as `bert.encoder.layer.`. The number of the layer and a dot
    /// follow.
    pub prefix: String,
    /// How many layers there are.
    pub depth: usize,
}

impl LayerStack {
    /// The layer that the parameter `name` belongs to, from 0; `None` if it belongs to no layer of this stack.
    pub fn layer_of(&self, name: &str) -> Option<usize> {
        let (number, _) = name.strip_prefix(self.prefix.as_str())?.split_once('.')?;
        number.parse().ok().filter(|layer| *layer < self.depth)
    }
}

/// A model: parameters under their Hugging Face names, an encoder, and the heads it happens to have.
pub trait Model: Send {
    /// The `model_type` of its config.json.
    fn model_type(&self) -> &'static str;
    /// Its config.json, complete, `architectures` included.
    fn config(&self) -> serde_json::Value;
    /// Its parameters.
    fn params(&self) -> &ParamStore;
    /// Its parameters, to freeze or regroup them.
    fn params_mut(&mut self) -> &mut ParamStore;

    /// Parameters that are written under a second name too, because transformers has two tensors where this
    /// model has one: each with that name.
    fn copies(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Its text encoder.
    fn encoder(&self) -> &dyn Encoder;

    /// Its stacks of layers, for rules that differ from layer to layer (learning rates, which matrices an optimiser
    /// takes). Parameters of no stack are embeddings and what stands above the layers. Empty for a model without layers.
    fn stacks(&self) -> Vec<LayerStack>;

    /// Keeps only the inputs of those layers (from 0) that `select` picks for the backward pass, which runs
    /// them again (Chen et al. 2016). Returns how many there are of them.
    ///
    /// # Errors
    /// If the model has no such layers.
    fn checkpoint_layers(&mut self, _select: &dyn Fn(usize) -> bool) -> Result<usize> {
        let model_type = self.model_type().into();
        Err(Error::Unsupported { model_type, what: "run layers again in the backward pass" })
    }

    /// Its token head.
    ///
    /// # Errors
    /// If it has none.
    fn token_head(&self) -> Result<&dyn TokenHead> {
        Err(Error::MissingHead { model_type: self.model_type().into(), head: "token head" })
    }

    /// Its encoder, if its tokens see none after themselves.
    ///
    /// # Errors
    /// If they do.
    fn decoder(&self) -> Result<&dyn Decoder> {
        Err(Error::MissingHead { model_type: self.model_type().into(), head: "decoder" })
    }

    /// Its pair head.
    ///
    /// # Errors
    /// If it has none.
    fn pair_head(&self) -> Result<&dyn PairHead> {
        Err(Error::MissingHead { model_type: self.model_type().into(), head: "pair head" })
    }

    /// Floating-point operations that one token of a row of `length` tokens takes in a training step,
    /// forward and backward: `6 N + 12 L H Q T` with N parameters that take part in matrix products, L
    /// layers, H heads of width Q and T = `length` (Chowdhery et al. 2022, "PaLM", appendix B; nanoGPT's
    /// `estimate_mfu`). The head, and what [`Encoder::encode_at`] can leave out, count by `scored`, the share of
    /// positions that are scored. `None` for a model that does not say; its utilisation is then not reported.
    fn flops_per_token(&self, _length: usize, _scored: f64) -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_told_by_the_prefix_of_their_stack() {
        let stack = LayerStack { prefix: "vision.layers.".to_owned(), depth: 12 };
        assert_eq!(stack.layer_of("vision.layers.0.mlp.weight"), Some(0));
        assert_eq!(stack.layer_of("vision.layers.11.mlp.weight"), Some(11));
        for name in [
            "vision.layers.12.mlp.weight",
            "vision.layers.x.mlp.weight",
            "vision.layers.3",
            "text.layers.3.mlp.weight",
            "vision.patches.3.weight",
        ] {
            assert_eq!(stack.layer_of(name), None, "{name}");
        }
    }
}
