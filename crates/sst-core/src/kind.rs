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

/// What a sequence-classification head predicts, which determines the loss and how its outputs become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemType {
    /// The outputs are predicted numbers; the loss is the mean squared error.
    Regression,
    /// Each row has exactly one class; the loss is the cross-entropy.
    SingleLabel,
    /// Each row may have any number of classes; the loss is the binary cross-entropy of each class.
    MultiLabel,
}

impl ProblemType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Regression, Self::SingleLabel, Self::MultiLabel];

    /// The name that transformers' config.json has for it under `problem_type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::SingleLabel => "single_label_classification",
            Self::MultiLabel => "multi_label_classification",
        }
    }

    /// The one of this name; `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|problem| problem.name() == name)
    }
}
