//! The kinds of inputs and of heads that a model may have.

use std::fmt;

/// A kind of input that a model may have an encoder for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modality {
    /// Token ids.
    Text,
    /// Pixel values.
    Image,
}

impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Image => "image",
        })
    }
}

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
