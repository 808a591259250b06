//! The modalities and the kinds of heads that a model may have.

use std::fmt;

/// A modality, for which a model may have an encoder.
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

/// The kind of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeadKind {
    /// Scores each entry of the vocabulary at each position (masked and causal language models).
    LanguageModel,
    /// Scores whether two segments belong together (next-sentence and sentence-order prediction): two scores for each
    /// row.
    SentencePair,
    /// Scores the classes of a row, or predicts one number in a regression.
    SequenceClassification,
    /// Scores the classes of each token.
    TokenClassification,
    /// Scores each token as the start and as the end of an answer: two scores for each token.
    Span,
    /// Projects hidden states of this modality's encoder into the space that two encoders share.
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
