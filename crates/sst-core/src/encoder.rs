//! Encoders turn an input into hidden states.
//!
//! Shapes: b batch, l length, t tokens (or patches) of all rows, d hidden size, h heads, n selected positions.

use tch::Tensor;

use crate::error::{Error, Result};
use crate::forward::Forward;
use crate::head::HeadInput;
use crate::input::{Input, InputSpec};
use crate::nn::KvCache;
use crate::ragged::RaggedRows;
use crate::row_layout::RowLayout;

/// The input of an encoder's first layer. The layers do not depend on the modality.
#[derive(Debug)]
pub struct Embedded {
    /// Hidden states: `[b, l, d]` for padded rows, `[t, d]` for ragged rows.
    pub hidden: Tensor,
    /// The layout of the rows in `hidden`.
    pub rows: RowLayout,
}

impl Embedded {
    /// The same rows with other hidden states, such as a leaf that requires a gradient (saliency), or a point between
    /// a baseline and the input (integrated gradients).
    ///
    /// # Errors
    /// If `hidden` has another shape.
    pub fn with_hidden(&self, hidden: Tensor) -> Result<Self> {
        let (size, expected) = (hidden.size(), self.hidden.size());
        if size != expected {
            return Err(Error::Contract(format!(
                "hidden states of shape {size:?} cannot replace those of shape {expected:?}"
            )));
        }
        Ok(Self { hidden, rows: self.rows.clone() })
    }
}

/// What an encoder returns. Hidden states of ragged rows are `[t, d]`.
#[derive(Debug)]
pub struct EncoderOutput {
    /// The last hidden state `[b, l, d]`.
    pub hidden_bld: Tensor,
    /// The layout of the rows in `hidden_bld`.
    pub rows: RowLayout,
    /// The attention probabilities `[b, h, l, l]` of every layer, if `forward.want` asks for them.
    pub attentions: Option<Vec<Tensor>>,
    /// The embeddings and the output of every layer, each `[b, l, d]`, if `forward.want` asks for them.
    pub hidden_states: Option<Vec<Tensor>>,
}

impl EncoderOutput {
    /// The last hidden states `[n, d]` at `positions_n`, which index the flattened `b * l` or `t` positions.
    ///
    /// # Errors
    /// If a position is out of range, or libtorch fails.
    pub fn at(&self, positions_n: &Tensor) -> Result<Tensor> {
        Ok(self.hidden_bld.f_flatten(0, -2)?.f_index_select(0, positions_n)?)
    }

    /// The last hidden states that a head reads: `[b * l, d]` or `[t, d]` for every token, `[b, d]` for one token of each
    /// row, or `[b, l, d]` for whole rows. `input_ids` are the tokens of this output, `[b, l]` or `[t]`; `None` if it is not of a text.
    ///
    /// # Errors
    /// If a row has no token, whole rows have different lengths, the head reads a token that only its id tells and there are no ids, or libtorch fails.
    pub fn select<'t>(
        &self,
        head_input: HeadInput,
        input_ids: impl Into<Option<&'t Tensor>>,
    ) -> Result<Tensor> {
        self.rows.select(&self.hidden_bld, head_input, input_ids.into())
    }
}

/// Turns an input of one modality into hidden states.
pub trait Encoder {
    /// The inputs that it accepts.
    fn spec(&self) -> InputSpec;

    /// d, the width of a hidden state.
    fn hidden_size(&self) -> i64;

    /// The input of the first layer: the embeddings after everything that comes before the layers (positions, norm,
    /// dropout).
    ///
    /// # Errors
    /// If the input is of another modality or does not fit the model, or libtorch fails.
    fn embed(&self, input: Input<'_>, forward: Forward) -> Result<Embedded>;

    /// Runs the layers on `embedded`. The graph reaches `embedded.hidden`, so that gradients with respect to it are
    /// gradients with respect to the embeddings.
    ///
    /// # Errors
    /// If libtorch fails.
    fn encode_embedded(&self, embedded: Embedded, forward: Forward) -> Result<EncoderOutput>;

    /// Encodes `input`: [`Encoder::embed`], then [`Encoder::encode_embedded`].
    ///
    /// # Errors
    /// As for these two.
    fn encode(&self, input: Input<'_>, forward: Forward) -> Result<EncoderOutput> {
        self.encode_embedded(self.embed(input, forward)?, forward)
    }

    /// The last hidden states `[n, d]` at `positions_n` only ([`EncoderOutput::at`]). An encoder may skip its last
    /// layer elsewhere. Ignores `forward.want`.
    ///
    /// # Errors
    /// As for [`Encoder::encode`] and [`EncoderOutput::at`].
    fn encode_at(
        &self,
        input: Input<'_>,
        positions_n: &Tensor,
        forward: Forward,
    ) -> Result<Tensor> {
        self.encode(input, forward)?.at(positions_n)
    }

    /// The last hidden states that a head reads ([`EncoderOutput::select`]). An encoder may skip its last layer elsewhere.
    /// Ignores `forward.want`.
    ///
    /// # Errors
    /// As for [`Encoder::encode`] and [`EncoderOutput::select`].
    fn encode_for(
        &self,
        input: Input<'_>,
        head_input: HeadInput,
        forward: Forward,
    ) -> Result<Tensor> {
        self.encode(input, forward)?.select(head_input, input.ids())
    }
}

/// An encoder with causal attention, so that the keys and values of earlier tokens can be cached.
pub trait Decoder {
    /// The last hidden states `[t, d]` of new tokens `[t]` (int64). `rows` is their layout, and each row continues
    /// the row in `cache`. Dropout is off.
    ///
    /// # Errors
    /// If a row becomes longer than the model's positions, an id is out of range, or libtorch fails.
    fn extend(&self, input_ids: &Tensor, rows: &RaggedRows, cache: &mut KvCache) -> Result<Tensor>;
}
