//! The kinds of data that evaluators read.

use std::fmt;

/// The kind of data that an evaluator reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// Rows of tokens, with the collate function of an objective.
    ObjectiveRows,
    /// Rows of tokens, with their tokenizer.
    TokenRows,
    /// Tokenised texts, which are read one after the other.
    Texts,
    /// Queries and a corpus, with the relevant texts of each query; or pictures and their captions.
    Pairs,
    /// Pairs of texts with a similarity score each.
    ScoredPairs,
    /// Texts, with a function that computes their vectors; or pictures.
    EmbeddedTexts,
    /// Rows of records with their gold labels, for a head that was trained on such records.
    Records,
    /// Labelled texts or pictures in a training and a test part.
    LabelledRows,
    /// Labelled pictures, with texts that name the labels.
    NamedPictures,
    /// Texts or pictures, whose vectors in one model are compared with those in another.
    ComparedTexts,
}

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ObjectiveRows => "rows of tokens with the batches of an objective",
            Self::TokenRows => "rows of tokens with their tokenizer",
            Self::Texts => "tokenised texts",
            Self::Pairs => "queries and a corpus",
            Self::ScoredPairs => "pairs of texts with scores",
            Self::EmbeddedTexts => "texts or pictures with an encoder of vectors",
            Self::Records => "rows of labelled records",
            Self::LabelledRows => "labelled texts or pictures in a training and a test part",
            Self::NamedPictures => "labelled pictures with the names of their labels",
            Self::ComparedTexts => "texts or pictures for two models",
        })
    }
}
