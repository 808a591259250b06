//! The data that evaluators read. An evaluator is built with its data and owns it.
//!
//! Shapes: n texts, d the width of a vector.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sst_core::Model;
use sst_data::pictures::CaptionTokens;
use sst_data::rows::Dataset;
use sst_data::tokenize::Tokenizer;
use sst_data::{Collate, Key, Ledger};
use tch::Tensor;

use crate::error::EvalError;
pub(crate) use crate::input_kind::InputKind;
use crate::pictures::PictureVector;

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
    /// Pictures and their captions, for evaluators that read [`InputKind::Pairs`].
    CaptionedPictures(CaptionedPictures<'a>),
    /// See [`InputKind::ScoredPairs`].
    ScoredPairs(ScoredPairs<'a>),
    /// See [`InputKind::EmbeddedTexts`].
    EmbeddedTexts(EmbeddedTexts<'a>),
    /// Pictures, for evaluators that read [`InputKind::EmbeddedTexts`].
    EmbeddedPictures(EmbeddedPictures),
    /// See [`InputKind::Records`].
    Records(RecordRows),
    /// See [`InputKind::LabelledRows`].
    LabelledRows(LabelledRows<'a>),
    /// See [`InputKind::NamedPictures`].
    NamedPictures(NamedPictures),
    /// See [`InputKind::ComparedTexts`].
    ComparedTexts(ComparedTexts<'a>),
}

/// Rows of tokens, with the collate function of an objective.
pub struct ObjectiveRows {
    /// The name of the objective.
    pub objective: String,
    /// The collate function of the objective, which makes batches with labels.
    pub collate: Arc<dyn Collate>,
    /// The rows.
    pub rows: Arc<dyn Dataset>,
}

/// Rows of tokens, with their tokenizer.
pub struct TokenRows {
    /// The rows.
    pub rows: Arc<dyn Dataset>,
    /// The tokenizer that made them.
    pub tokenizer: Tokenizer,
}

/// Rows of records with their gold labels.
pub struct RecordRows {
    /// The rows, with the columns and the windows that the evaluator's entry asks for.
    pub rows: Arc<dyn Dataset>,
    /// The labels that the rows have the indices of; empty if they have none.
    pub labels: Vec<String>,
    /// The gold answers to the questions of these records, as the file has them; empty for the texts of the rows' own
    /// spans, which lack an answer that is not where the file says.
    pub gold_answers: BTreeMap<Key, Vec<String>>,
}

/// Labelled texts or pictures, for probes of frozen vectors.
pub struct LabelledRows<'a> {
    /// The rows that a probe is trained on: records with the columns `text` and `label`, or
    /// [`Pictures`](sst_data::pictures::Pictures) with labels.
    pub train: Arc<dyn Dataset>,
    /// The rows that it is measured on.
    pub test: Arc<dyn Dataset>,
    /// The labels that the rows have the indices of.
    pub labels: Vec<String>,
    /// The pictures that a baseline without labels (PCA) learns from; `None` for those of `train`.
    pub unlabelled: Option<Arc<dyn Dataset>>,
    /// A model of the same shape that was never trained, to compare with; `None` for no comparison.
    pub twin: Option<Box<dyn Model + 'a>>,
}

/// Labelled pictures, with texts that name the labels.
pub struct NamedPictures {
    /// The pictures, with labels.
    pub rows: Arc<dyn Dataset>,
    /// The labels that the rows have the indices of.
    pub labels: Vec<String>,
    /// The text that stands for each label in a prompt.
    pub names: Vec<String>,
    /// Tokenises the prompts.
    pub tokens: CaptionTokens,
    /// Counts what the tokenizer does not know.
    pub ledger: Ledger,
}

/// Pictures and their captions.
pub struct CaptionedPictures<'a> {
    /// The pictures.
    pub rows: Arc<dyn Dataset>,
    /// The captions that are used of each picture, at least one.
    pub captions: Vec<Vec<String>>,
    /// Tokenises the captions.
    pub tokens: CaptionTokens,
    /// Counts what the tokenizer does not know.
    pub ledger: Ledger,
    /// Is called with what was found for some of the captions; `None` if nobody looks.
    pub show: Option<ShowNearest<'a>>,
}

/// Shows the pictures that are nearest to some captions.
pub struct ShowNearest<'a> {
    /// The pictures whose first captions are searched for.
    pub pictures: Vec<usize>,
    /// How many pictures are shown for each.
    pub count: usize,
    /// Is called with a picture, and the nearest pictures to its first caption, the nearest first.
    pub each: Show<'a>,
}

/// Shows a picture and those that its caption finds.
type Show<'a> = Box<dyn FnMut(usize, &[NearPicture]) + 'a>;

/// A picture that is near to a caption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NearPicture {
    /// Its place among the pictures.
    pub picture: usize,
    /// Whether it has that caption.
    pub has_caption: bool,
}

/// Texts or pictures whose vectors are compared.
pub struct ComparedTexts<'a> {
    /// The texts or pictures as rows of the model that is measured.
    pub rows: Arc<dyn Dataset>,
    /// Another model with the same ones as its rows, in the same order; `None` to compare the layers of one model.
    pub other: Option<(Box<dyn Model + 'a>, Arc<dyn Dataset>)>,
}

/// Queries and a corpus, with the relevant texts of each query.
pub struct Pairs<'a> {
    /// Computes the vectors of the queries and of the corpus.
    pub vectors: Box<dyn TextVectors + 'a>,
    /// The queries.
    pub queries: Vec<String>,
    /// The texts among which a query is to find its relevant texts.
    pub corpus: Vec<String>,
    /// For each query, the indices in `corpus` of its relevant texts.
    pub relevant: Vec<HashSet<usize>>,
}

/// Pairs of texts with a similarity score each. The three lists have the same length.
pub struct ScoredPairs<'a> {
    /// Computes the vectors of both texts of a pair.
    pub vectors: Box<dyn TextVectors + 'a>,
    /// The first text of each pair.
    pub first: Vec<String>,
    /// The second text of each pair.
    pub second: Vec<String>,
    /// The score of each pair; higher for texts that are more similar.
    pub scores: Vec<f64>,
}

/// Texts, with a function that computes their vectors.
pub struct EmbeddedTexts<'a> {
    /// Computes the vectors of the texts.
    pub vectors: Box<dyn TextVectors + 'a>,
    /// The texts.
    pub texts: Vec<String>,
}

/// Pictures, with the vector that is computed of each.
pub struct EmbeddedPictures {
    /// The pictures.
    pub rows: Arc<dyn Dataset>,
    /// The vector; `None` for the default of the model ([`PictureVector::of`]).
    pub vector: Option<PictureVector>,
    /// The number of pictures in a forward pass.
    pub batch_size: usize,
}

/// A tokenised document, or several documents joined to one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// The token ids.
    pub ids: Vec<u32>,
    /// Whether the first token was added before the text (such as BOS) and is not part of it. The text's own first
    /// token then has a context.
    pub has_start: bool,
    /// The number of words of the text.
    pub words: u64,
    /// The number of bytes of the text.
    pub bytes: u64,
}

/// Tokenised texts that can be read several times.
pub trait TextSource {
    /// Calls `visit` with each text in order, from the first text on. Stops at the first error.
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

/// The role of a text in a data set. Some encoders use a different prompt for each role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextRole {
    /// A query, the first text of a pair, or a text of a data set with one role only.
    First,
    /// A text of a corpus, or the second text of a pair.
    Second,
}

/// Computes the vectors of texts with a model: tokenises them, computes hidden states, and pools these.
pub trait TextVectors {
    /// The vectors `[n, d]` of `texts`, in the same order, in fp32 on the CPU.
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
    /// The kind of the data.
    pub fn kind(&self) -> InputKind {
        match self {
            Self::ObjectiveRows(_) => InputKind::ObjectiveRows,
            Self::TokenRows(_) => InputKind::TokenRows,
            Self::Texts(_) => InputKind::Texts,
            Self::Pairs(_) | Self::CaptionedPictures(_) => InputKind::Pairs,
            Self::ScoredPairs(_) => InputKind::ScoredPairs,
            Self::EmbeddedTexts(_) | Self::EmbeddedPictures(_) => InputKind::EmbeddedTexts,
            Self::Records(_) => InputKind::Records,
            Self::LabelledRows(_) => InputKind::LabelledRows,
            Self::NamedPictures(_) => InputKind::NamedPictures,
            Self::ComparedTexts(_) => InputKind::ComparedTexts,
        }
    }

    /// The data as [`ObjectiveRows`]. An error names `evaluator`.
    ///
    /// # Errors
    /// If the data is of another kind.
    pub fn objective_rows(self, evaluator: &'static str) -> Result<ObjectiveRows, EvalError> {
        match self {
            Self::ObjectiveRows(rows) => Ok(rows),
            other => Err(other.wrong_kind(evaluator, InputKind::ObjectiveRows)),
        }
    }

    /// The data as [`TokenRows`]. An error names `evaluator`.
    ///
    /// # Errors
    /// If the data is of another kind.
    pub fn token_rows(self, evaluator: &'static str) -> Result<TokenRows, EvalError> {
        match self {
            Self::TokenRows(rows) => Ok(rows),
            other => Err(other.wrong_kind(evaluator, InputKind::TokenRows)),
        }
    }

    /// The data as a [`TextSource`]. An error names `evaluator`.
    ///
    /// # Errors
    /// If the data is of another kind.
    pub fn texts(self, evaluator: &'static str) -> Result<Box<dyn TextSource + 'a>, EvalError> {
        match self {
            Self::Texts(texts) => Ok(texts),
            other => Err(other.wrong_kind(evaluator, InputKind::Texts)),
        }
    }

    /// The data as [`Pairs`]. An error names `evaluator`.
    ///
    /// # Errors
    /// If the data is of another kind.
    pub fn pairs(self, evaluator: &'static str) -> Result<Pairs<'a>, EvalError> {
        match self {
            Self::Pairs(pairs) => Ok(pairs),
            other => Err(other.wrong_kind(evaluator, InputKind::Pairs)),
        }
    }

    /// The data as [`ScoredPairs`]. An error names `evaluator`.
    ///
    /// # Errors
    /// If the data is of another kind.
    pub fn scored_pairs(self, evaluator: &'static str) -> Result<ScoredPairs<'a>, EvalError> {
        match self {
            Self::ScoredPairs(pairs) => Ok(pairs),
            other => Err(other.wrong_kind(evaluator, InputKind::ScoredPairs)),
        }
    }

    /// The data as [`EmbeddedTexts`]. An error names `evaluator`.
    ///
    /// # Errors
    /// If the data is of another kind.
    pub fn embedded_texts(self, evaluator: &'static str) -> Result<EmbeddedTexts<'a>, EvalError> {
        match self {
            Self::EmbeddedTexts(texts) => Ok(texts),
            other => Err(other.wrong_kind(evaluator, InputKind::EmbeddedTexts)),
        }
    }

    /// The data as [`RecordRows`]. An error names `evaluator`.
    ///
    /// # Errors
    /// If the data is of another kind.
    pub fn records(self, evaluator: &'static str) -> Result<RecordRows, EvalError> {
        match self {
            Self::Records(rows) => Ok(rows),
            other => Err(other.wrong_kind(evaluator, InputKind::Records)),
        }
    }

    /// The data as [`LabelledRows`]. An error names `evaluator`.
    ///
    /// # Errors
    /// If the data is of another kind.
    pub fn labelled_rows(self, evaluator: &'static str) -> Result<LabelledRows<'a>, EvalError> {
        match self {
            Self::LabelledRows(rows) => Ok(rows),
            other => Err(other.wrong_kind(evaluator, InputKind::LabelledRows)),
        }
    }

    /// The data as [`NamedPictures`]. An error names `evaluator`.
    ///
    /// # Errors
    /// If the data is of another kind.
    pub fn named_pictures(self, evaluator: &'static str) -> Result<NamedPictures, EvalError> {
        match self {
            Self::NamedPictures(pictures) => Ok(pictures),
            other => Err(other.wrong_kind(evaluator, InputKind::NamedPictures)),
        }
    }

    /// The data as [`ComparedTexts`]. An error names `evaluator`.
    ///
    /// # Errors
    /// If the data is of another kind.
    pub fn compared_texts(self, evaluator: &'static str) -> Result<ComparedTexts<'a>, EvalError> {
        match self {
            Self::ComparedTexts(texts) => Ok(texts),
            other => Err(other.wrong_kind(evaluator, InputKind::ComparedTexts)),
        }
    }

    fn wrong_kind(&self, evaluator: &'static str, wanted: InputKind) -> EvalError {
        EvalError::Input { evaluator, wanted, given: self.kind() }
    }
}
