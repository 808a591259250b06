//! The kinds of data that evaluators read.

use std::fmt;

/// The kinds of data that evaluators read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// Rows of tokens, and how an objective makes batches of them.
    ObjectiveRows,
    /// Rows of tokens, and their tokenizer.
    TokenRows,
    /// Whole texts as tokens, read one after the other.
    Texts,
    /// Queries and the entries of a corpus that each of them is to find.
    Pairs,
    /// Pairs of texts with a score of how similar they are.
    ScoredPairs,
    /// Texts, and how their vectors are made.
    EmbeddedTexts,
}

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ObjectiveRows => "rows of tokens with the batches of an objective",
            Self::TokenRows => "rows of tokens with their tokenizer",
            Self::Texts => "texts as tokens",
            Self::Pairs => "queries and a corpus",
            Self::ScoredPairs => "pairs of texts with scores",
            Self::EmbeddedTexts => "texts with an encoder of vectors",
        })
    }
}
