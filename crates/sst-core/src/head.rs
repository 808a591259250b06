//! Heads: what a model predicts from hidden states.
//!
//! Shapes: n hidden states, d hidden size, o outputs.

use tch::Tensor;

use crate::error::Result;
use crate::forward::Forward;

/// The hidden states of a row that a head reads ([`crate::EncoderOutput::select`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadInput {
    /// The hidden state of every token; a caller may leave tokens out.
    EveryToken,
    /// The hidden state of the first token, `[CLS]` in BERT.
    FirstToken,
    /// The hidden state of the last token that is not padding, in decoders.
    LastToken,
}

/// Predicts from hidden states.
pub trait Head {
    /// Logits `[n, o]` for hidden states `[n, d]`: those of the positions that [`Head::input`] names. `forward.train`
    /// turns the head's own dropout on.
    ///
    /// # Errors
    /// If the width of the hidden states is not d, or libtorch fails.
    fn logits(&self, hidden_nd: &Tensor, forward: Forward) -> Result<Tensor>;

    /// o: the size of the vocabulary, the number of classes, ...
    fn num_outputs(&self) -> usize;

    /// Which hidden states the head reads.
    fn input(&self) -> HeadInput;

    /// The parameters that the logits depend on, besides the hidden states. A projection that is tied to the word
    /// embeddings is one of them.
    fn parameters(&self) -> Vec<&Tensor>;
}
