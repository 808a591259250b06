//! Heads: what a model predicts from hidden states.
//!
//! Shapes: n hidden states, d hidden size, o outputs.

use std::fmt;

use tch::Tensor;

use crate::encoder::Forward;
use crate::error::Result;
use crate::input::Modality;

/// What a head predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeadKind {
    /// The token at each position: a score for each entry of the vocabulary (masked and causal language models).
    LanguageModel,
    /// Whether two segments belong together (next-sentence and sentence-order prediction): two scores a row.
    SentencePair,
    /// The class of a row: a score for each class, or one number in a regression.
    SequenceClassification,
    /// The class of each token.
    TokenClassification,
    /// Where an answer starts and ends: two scores for each token.
    Span,
    /// A vector in the space that two encoders share, from the hidden states of this modality's encoder.
    Projection(Modality),
}

impl fmt::Display for HeadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LanguageModel => f.write_str("language-model head"),
            Self::SentencePair => f.write_str("sentence-pair head"),
            Self::SequenceClassification => f.write_str("sequence-classification head"),
            Self::TokenClassification => f.write_str("token-classification head"),
            Self::Span => f.write_str("span head"),
            Self::Projection(modality) => write!(f, "{modality} projection"),
        }
    }
}

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
