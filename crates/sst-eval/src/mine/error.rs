//! Why nothing could be mined.

use crate::nearest::NearestError;

/// Why nothing could be mined.
#[derive(Debug, thiserror::Error)]
pub enum MineError {
    /// An option that cannot be.
    #[error("{key}: {reason}")]
    Option {
        /// The option to change.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Lists that do not belong to the vectors.
    #[error("there are {found} {what} for {expected} vectors: give one to each")]
    Count {
        /// What there are too many or too few of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A query that nothing is known to belong to.
    #[error("query {query} has no positive: give it at least one, or leave it out")]
    NoPositive {
        /// Its row, from 0.
        query: usize,
    },
    /// A positive that does not exist.
    #[error(
        "query {query} has entry {entry} of the corpus as a positive, which has {corpus} entries from 0"
    )]
    Outside {
        /// The query's row, from 0.
        query: usize,
        /// The positive.
        entry: usize,
        /// Entries of the corpus.
        corpus: usize,
    },
    /// Vectors could not be compared.
    #[error(transparent)]
    Nearest(#[from] NearestError),
}
