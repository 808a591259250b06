//! Why vectors could not be compared.

/// Why vectors could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum NearestError {
    /// Something other than rows of numbers.
    #[error("the {what} must be fp32 vectors on the CPU, one a row, and are {found}")]
    Shape {
        /// `queries` or `corpus`.
        what: &'static str,
        /// Type, shape and device.
        found: String,
    },
    /// Vectors of two models.
    #[error(
        "a query has {queries} numbers and an entry of the corpus {corpus}: use one model for both"
    )]
    Width {
        /// Of a query.
        queries: usize,
        /// Of an entry of the corpus.
        corpus: usize,
    },
    /// A vector whose products might not be numbers.
    #[error(
        "vector {row} of the {what} holds NaN, infinity or a length above 1e18: it cannot be compared"
    )]
    Length {
        /// `queries` or `corpus`.
        what: &'static str,
        /// Its row, from 0.
        row: usize,
    },
    /// The system gave no thread.
    #[error("could not start a thread to compare vectors on: {0}")]
    Thread(std::io::Error),
    /// libtorch failed.
    #[error(transparent)]
    Core(#[from] sst_core::Error),
}

impl From<sst_kernels::Error> for NearestError {
    fn from(error: sst_kernels::Error) -> Self {
        Self::Core(error.into())
    }
}

impl From<tch::TchError> for NearestError {
    fn from(error: tch::TchError) -> Self {
        Self::Core(error.into())
    }
}
