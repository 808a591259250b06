//! Heads compute predictions from hidden states.
//!
//! Shapes: n hidden states, d hidden size, o outputs.

use tch::Tensor;

use crate::error::Result;
use crate::forward::Forward;

/// The hidden states that a head reads ([`crate::EncoderOutput::select`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadInput {
    /// The hidden state of every token; a caller may pass some of the tokens only.
    EveryToken,
    /// The hidden state of the first token, `[CLS]` in BERT.
    FirstToken,
    /// The hidden state of the last token that is not padding. Decoders use it.
    LastToken {
        /// The token id that counts as padding wherever it stands: the `pad_token_id` of config.json. transformers skips
        /// it at the end of a text too, where the padding token is also the end-of-text token. `None` for no id.
        padding_id: Option<i64>,
    },
    /// The hidden state of the token that ends the text. CLIP uses it.
    EndOfText {
        /// Its token id, whose first place in the row counts; the first position of a row without it. `None` for the
        /// first place of the highest id of the row, as in the models of OpenAI.
        token_id: Option<i64>,
    },
    /// The hidden states of all tokens of rows of one length, `[b, l, d]`. The head makes one output of each row.
    WholeRow,
}

/// Computes logits from hidden states.
pub trait Head {
    /// Logits `[n, o]` for hidden states `[n, d]` at the positions that [`Head::input`] names; `[b, o]` for `[b, l, d]` if
    /// the head reads whole rows. `forward.train` turns on the dropout of the head.
    ///
    /// # Errors
    /// If the width of the hidden states is not d, or libtorch fails.
    fn logits(&self, hidden_nd: &Tensor, forward: Forward) -> Result<Tensor>;

    /// o, such as the size of the vocabulary or the number of classes.
    fn num_outputs(&self) -> usize;

    /// The hidden states that the head reads.
    fn input(&self) -> HeadInput;

    /// The parameters that the logits depend on. They include a projection that is tied to the word embeddings.
    fn parameters(&self) -> Vec<&Tensor>;
}
