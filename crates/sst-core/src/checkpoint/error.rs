//! What can be wrong with a file of weights.

use std::path::PathBuf;

use super::load::LoadReport;

/// Why weights could not be read, loaded or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There are no weights in a folder.
    #[error(
        "{path} holds neither model.safetensors nor model.safetensors.index.json; \
         point to a Hugging Face model folder or a .safetensors file",
        path = path.display()
    )]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// A file that is not what its name says, or was cut off.
    #[error("{path} is not a whole safetensors file: {reason}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor that is not there.
    #[error("{path} holds no tensor `{name}`", path = path.display())]
    NoTensor {
        /// The file or folder.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A type of number that sst does not use.
    #[error("{path}: tensor `{name}` has type {dtype}, which sst cannot hold", path = path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// The names or shapes differ from the model's.
    #[error("the weights in {path} do not fit the model:\n{report}", path = path.display())]
    Mismatch {
        /// The file or folder.
        path: PathBuf,
        /// What is missing, unexpected or of another shape.
        report: Box<LoadReport>,
    },
}
