//! The errors of nearest-neighbour search.

/// Why vectors could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum NearestError {
    /// The tensor is not a matrix of fp32 on the CPU.
    #[error("the {what} must be fp32 vectors on the CPU, one per row, but are {found}")]
    Shape {
        /// `queries` or `corpus`.
        what: &'static str,
        /// The type, shape and device of the tensor.
        found: String,
    },
    /// Queries and corpus have vectors of different widths.
    #[error(
        "the vectors of the queries have {queries} numbers, but those of the corpus have {corpus}: use one model for both"
    )]
    Width {
        /// The width of the queries.
        queries: usize,
        /// The width of the corpus.
        corpus: usize,
    },
    /// A vector is not finite, or so long that a dot product could overflow.
    #[error(
        "vector {row} of the {what} cannot be compared: it holds NaN or infinity, or its length is above 1e18"
    )]
    Length {
        /// `queries` or `corpus`.
        what: &'static str,
        /// The row of the vector, from 0.
        row: usize,
    },
    /// The operating system could not start a thread.
    #[error("cannot start a thread to compare vectors: {0}")]
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
