//! The errors of mining.

use crate::nearest::NearestError;

/// Why negatives could not be mined.
#[derive(Debug, thiserror::Error)]
pub enum MineError {
    /// An option is invalid.
    #[error("{key}: {reason}")]
    Option {
        /// The option to change.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A list has another length than the vectors that it belongs to.
    #[error("there are {found} {what} for {expected} vectors: give one for each vector")]
    Count {
        /// The kind of the list's elements, such as `groups`.
        what: &'static str,
        /// The length of the list.
        found: usize,
        /// The number of vectors.
        expected: usize,
    },
    /// A query has no positive.
    #[error("query {query} has no positive: give it at least one, or leave the query out")]
    NoPositive {
        /// The index of the query, from 0.
        query: usize,
    },
    /// A positive is not in the corpus.
    #[error(
        "query {query} has entry {entry} of the corpus as a positive, but the corpus has {corpus} entries, counted from 0"
    )]
    Outside {
        /// The index of the query, from 0.
        query: usize,
        /// The index of the positive.
        entry: usize,
        /// The number of entries of the corpus.
        corpus: usize,
    },
    /// Vectors could not be compared.
    #[error(transparent)]
    Nearest(#[from] NearestError),
}
