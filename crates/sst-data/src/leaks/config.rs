//! The settings of a search for leaks, and what may be wrong with them.

use serde::{Deserialize, Serialize};

/// What counts as a leak. The defaults are those of the literature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeakConfig {
    /// The words of an n-gram. The default is 13, as in Brown et al. 2020 and in lm-evaluation-harness.
    pub ngram: usize,
    /// The words of a shingle, the unit of near duplicates. The default is 5, as in Lee et al. 2022, "Deduplicating
    /// Training Data Makes Language Models Better".
    pub shingle: usize,
    /// The least Jaccard similarity of near duplicates, greater than 0 and at most 1. The default is 0.8.
    pub similarity: f64,
    /// The most examples that are kept of each kind of leak. The default is 10, as many as one reads.
    pub examples: usize,
}

impl Default for LeakConfig {
    fn default() -> Self {
        Self { ngram: 13, shingle: 5, similarity: 0.8, examples: 10 }
    }
}

/// A reason why leaks cannot be searched.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LeakError {
    /// An n-gram or a shingle has no words.
    #[error("`{0}` is 0: it is a number of words and must be at least 1")]
    NoWords(&'static str),
    /// The similarity is not a fraction that a passage can have.
    #[error("`similarity` is {0}: it must be greater than 0 and at most 1")]
    Similarity(f64),
    /// The words of the test set cannot be numbered.
    #[error("the test texts have more than {0} words: search a part of them at a time")]
    TooManyWords(usize),
}

impl LeakConfig {
    /// Checks the values.
    ///
    /// # Errors
    /// If `ngram` or `shingle` is 0, or `similarity` is not in `(0, 1]`.
    pub fn check(&self) -> Result<(), LeakError> {
        if self.ngram == 0 {
            return Err(LeakError::NoWords("ngram"));
        }
        if self.shingle == 0 {
            return Err(LeakError::NoWords("shingle"));
        }
        if !(self.similarity > 0.0 && self.similarity <= 1.0) {
            return Err(LeakError::Similarity(self.similarity));
        }
        Ok(())
    }
}
