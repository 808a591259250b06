//! Why a probe could not be trained or measured.

use crate::nearest::NearestError;

/// Why a probe could not be trained or measured.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Features of another shape or type than rows of floating-point numbers.
    #[error("features must be floating-point numbers of shape [rows, width], and are {0}")]
    Shape(String),
    /// A feature that is not a number.
    #[error(
        "row {row} of the features holds NaN or infinity: leave the row out, or mend the model"
    )]
    NotFinite {
        /// Its row, from 0.
        row: usize,
    },
    /// Two lists that must be of one length.
    #[error("there are {found} {what} for {expected} rows of features: give one to each row")]
    Count {
        /// What there are too many or too few of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// Features of two widths where one is needed.
    #[error("the probe was trained on {expected} features a row, and is given {found}")]
    Width {
        /// Features of a row that the probe was trained on.
        expected: usize,
        /// Features of a row that it is given.
        found: usize,
    },
    /// A label that is no class.
    #[error("row {row} has label {label}, and there are {classes} classes, numbered from 0")]
    Label {
        /// The row, from 0.
        row: usize,
        /// Its label.
        label: i64,
        /// How many classes there are.
        classes: usize,
    },
    /// Nothing to tell apart.
    #[error("all {rows} rows have label {label}: a classifier needs rows of two classes at least")]
    OneClass {
        /// How many rows there are.
        rows: usize,
        /// Their label.
        label: i64,
    },
    /// Too little data.
    #[error("{what} needs {needed} rows at least, and there are {rows}")]
    Rows {
        /// What needs them.
        what: &'static str,
        /// How many there are.
        rows: usize,
        /// How many it needs.
        needed: usize,
    },
    /// Vectors without variance, for which a similarity is not defined.
    #[error(
        "the {0} vectors are all the same, or there are too few of them to differ: their similarity to others is not \
         defined"
    )]
    Constant(&'static str),
    /// An option that cannot be.
    #[error("{key}: {reason}")]
    Option {
        /// The option to change.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Neighbours could not be found.
    #[error(transparent)]
    Nearest(#[from] NearestError),
    /// libtorch failed.
    #[error(transparent)]
    Core(#[from] sst_core::Error),
}

impl From<sst_kernels::Error> for ProbeError {
    fn from(error: sst_kernels::Error) -> Self {
        Self::Core(error.into())
    }
}

impl From<tch::TchError> for ProbeError {
    fn from(error: tch::TchError) -> Self {
        Self::Core(error.into())
    }
}
