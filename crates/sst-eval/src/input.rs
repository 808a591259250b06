//! The data that evaluators read. An evaluator is built with its data and owns it.
//!
//! Shapes: n texts, d numbers in a vector.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use sst_core::Model;
use sst_data::Collate;
use sst_data::rows::Dataset;
use sst_data::tokenize::Tokenizer;
use tch::Tensor;

use crate::error::EvalError;

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

/// The data of an evaluator.
pub enum Input<'a> {
    /// See [`InputKind::ObjectiveRows`].
    ObjectiveRows(ObjectiveRows),
    /// See [`InputKind::TokenRows`].
    TokenRows(TokenRows),
    /// See [`InputKind::Texts`].
    Texts(Box<dyn TextSource + 'a>),
    /// See [`InputKind::Pairs`].
    Pairs(Pairs<'a>),
    /// See [`InputKind::ScoredPairs`].
    ScoredPairs(ScoredPairs<'a>),
    /// See [`InputKind::EmbeddedTexts`].
    EmbeddedTexts(EmbeddedTexts<'a>),
}

/// Rows of tokens, and how an objective makes batches of them.
pub struct ObjectiveRows {
    /// The name of the objective.
    pub objective: String,
    /// Makes batches with labels, as the objective does.
    pub collate: Arc<dyn Collate>,
    /// The rows.
    pub rows: Arc<dyn Dataset>,
}

/// Rows of tokens, and their tokenizer.
pub struct TokenRows {
    /// The rows.
    pub rows: Arc<dyn Dataset>,
    /// The tokenizer that made them.
    pub tokenizer: Tokenizer,
}

/// Queries and what each of them is to find.
pub struct Pairs<'a> {
    /// Makes the vectors of both.
    pub vectors: Box<dyn TextVectors + 'a>,
    /// The queries.
    pub queries: Vec<String>,
    /// The texts to find.
    pub corpus: Vec<String>,
    /// For each query the places in `corpus` of the texts that it is to find.
    pub relevant: Vec<HashSet<usize>>,
}

/// Pairs of texts with a score each. The three lists have one length.
pub struct ScoredPairs<'a> {
    /// Makes the vectors of both.
    pub vectors: Box<dyn TextVectors + 'a>,
    /// The first text of each pair.
    pub first: Vec<String>,
    /// The second text of each pair.
    pub second: Vec<String>,
    /// The score of each pair; higher for texts that are more similar.
    pub scores: Vec<f64>,
}

/// Texts, and how their vectors are made.
pub struct EmbeddedTexts<'a> {
    /// Makes their vectors.
    pub vectors: Box<dyn TextVectors + 'a>,
    /// The texts.
    pub texts: Vec<String>,
}

/// A document as tokens, or several documents joined to one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// Its tokens.
    pub ids: Vec<u32>,
    /// Whether the first token was put before the text and is not part of it. It gives the text's own first token
    /// a context.
    pub has_start: bool,
    /// Its words.
    pub words: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// Texts that are read one after the other, each time from the start.
pub trait TextSource {
    /// Calls `visit` with each text in order, and ends at the first error.
    ///
    /// # Errors
    /// If a text cannot be read, or `visit` fails.
    fn for_each(
        &mut self,
        visit: &mut dyn FnMut(&Text) -> Result<(), EvalError>,
    ) -> Result<(), EvalError>;
}

impl TextSource for Vec<Text> {
    fn for_each(
        &mut self,
        visit: &mut dyn FnMut(&Text) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        self.iter().try_for_each(visit)
    }
}

/// Which texts of a data set are meant, for encoders that put another prompt before each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextRole {
    /// Queries, the first texts of pairs, or the only texts.
    First,
    /// The texts of a corpus, or the second texts of pairs.
    Second,
}

/// Makes the vectors of texts with a model: tokens, hidden states, pooling.
pub trait TextVectors {
    /// The vectors `[n, d]` of `texts`, in their order, fp32 on the CPU.
    ///
    /// # Errors
    /// If a text cannot be encoded, or the model fails.
    fn vectors(
        &mut self,
        model: &dyn Model,
        texts: &[String],
        role: TextRole,
    ) -> Result<Tensor, EvalError>;
}

impl<'a> Input<'a> {
    /// Its kind.
    pub fn kind(&self) -> InputKind {
        match self {
            Self::ObjectiveRows(_) => InputKind::ObjectiveRows,
            Self::TokenRows(_) => InputKind::TokenRows,
            Self::Texts(_) => InputKind::Texts,
            Self::Pairs(_) => InputKind::Pairs,
            Self::ScoredPairs(_) => InputKind::ScoredPairs,
            Self::EmbeddedTexts(_) => InputKind::EmbeddedTexts,
        }
    }

    /// Rows of tokens and how an objective makes batches of them, for the evaluator of that name.
    ///
    /// # Errors
    /// If it is data of another kind.
    pub fn objective_rows(self, evaluator: &'static str) -> Result<ObjectiveRows, EvalError> {
        match self {
            Self::ObjectiveRows(rows) => Ok(rows),
            other => Err(other.refused(evaluator, InputKind::ObjectiveRows)),
        }
    }

    /// Rows of tokens and their tokenizer, for the evaluator of that name.
    ///
    /// # Errors
    /// If it is data of another kind.
    pub fn token_rows(self, evaluator: &'static str) -> Result<TokenRows, EvalError> {
        match self {
            Self::TokenRows(rows) => Ok(rows),
            other => Err(other.refused(evaluator, InputKind::TokenRows)),
        }
    }

    /// Texts as tokens, for the evaluator of that name.
    ///
    /// # Errors
    /// If it is data of another kind.
    pub fn texts(self, evaluator: &'static str) -> Result<Box<dyn TextSource + 'a>, EvalError> {
        match self {
            Self::Texts(texts) => Ok(texts),
            other => Err(other.refused(evaluator, InputKind::Texts)),
        }
    }

    /// Queries and a corpus, for the evaluator of that name.
    ///
    /// # Errors
    /// If it is data of another kind.
    pub fn pairs(self, evaluator: &'static str) -> Result<Pairs<'a>, EvalError> {
        match self {
            Self::Pairs(pairs) => Ok(pairs),
            other => Err(other.refused(evaluator, InputKind::Pairs)),
        }
    }

    /// Pairs of texts with scores, for the evaluator of that name.
    ///
    /// # Errors
    /// If it is data of another kind.
    pub fn scored_pairs(self, evaluator: &'static str) -> Result<ScoredPairs<'a>, EvalError> {
        match self {
            Self::ScoredPairs(pairs) => Ok(pairs),
            other => Err(other.refused(evaluator, InputKind::ScoredPairs)),
        }
    }

    /// Texts and how their vectors are made, for the evaluator of that name.
    ///
    /// # Errors
    /// If it is data of another kind.
    pub fn embedded_texts(self, evaluator: &'static str) -> Result<EmbeddedTexts<'a>, EvalError> {
        match self {
            Self::EmbeddedTexts(texts) => Ok(texts),
            other => Err(other.refused(evaluator, InputKind::EmbeddedTexts)),
        }
    }

    fn refused(&self, evaluator: &'static str, wanted: InputKind) -> EvalError {
        EvalError::Input { evaluator, wanted, given: self.kind() }
    }
}
