//! The errors of this crate.

use std::path::PathBuf;

use crate::checkpoint::CheckpointError;

/// What can go wrong at the seams.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// A batch lacks an array that an objective or model needs.
    #[error("the batch has no array `{0}`; the objective's collate must make it")]
    MissingArray(String),
    /// The model has no head of this kind.
    #[error("a `{model_type}` model has no {head}; choose another objective or model")]
    MissingHead {
        /// The model's type.
        model_type: String,
        /// The head asked for.
        head: &'static str,
    },
    /// The model cannot return what was asked for.
    #[error("a `{model_type}` model cannot {what}")]
    Unsupported {
        /// The model's type.
        model_type: String,
        /// What was asked for.
        what: &'static str,
    },
    /// Two parameters of one name.
    #[error("the parameter `{0}` is defined twice")]
    DuplicateParameter(String),
    /// A configuration value that cannot be.
    #[error("{key}: {reason}")]
    Config {
        /// The key to change.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint could not be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A gradient of something that is not part of the graph, a wrong shape, or another broken promise
    /// between two parts of sst.
    #[error("{0}")]
    Contract(String),
}

/// Short for the results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
