//! Errors of files of weights.

use std::path::PathBuf;

use super::load_report::LoadReport;

/// A file of weights could not be read, loaded or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A folder holds no weights.
    #[error(
        "{path} holds neither model.safetensors nor model.safetensors.index.json{}",
        instead(*other),
        path = path.display()
    )]
    NoWeights {
        /// The folder.
        path: PathBuf,
        /// A file of weights in a format that sst does not read, if there is one.
        other: Option<&'static str>,
    },
    /// A file is not a safetensors file, or was truncated.
    #[error("{path} is not a whole safetensors file: {reason}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A tensor is missing.
    #[error("{path} holds no tensor `{name}`", path = path.display())]
    NoTensor {
        /// The file or folder.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A tensor has a type that sst does not support.
    #[error("{path}: tensor `{name}` has type {dtype}, which sst cannot hold", path = path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// A parameter does not have a floating-point type.
    #[error(
        "{path}: tensor `{name}` has type {dtype}, and a parameter is F32, F16, BF16 or F64: this is a quantised \
         or damaged model; take the folder before quantisation",
        path = path.display()
    )]
    NotFloat {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// A parameter holds NaN, infinity, or a number that becomes infinite in fp32.
    #[error(
        "{path}: tensor `{name}` holds NaN, infinity or a number beyond fp32, first at place {place}: the file is damaged, or the \
         training that wrote it diverged; take another copy or an earlier checkpoint",
        path = path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The index of the first such number in row-major order, from 0.
        place: usize,
    },
    /// The names or shapes in the file differ from those of the model.
    #[error("the weights in {path} do not fit the model:\n{report}", path = path.display())]
    Mismatch {
        /// The file or folder.
        path: PathBuf,
        /// What is missing, unexpected or of another shape.
        report: Box<LoadReport>,
    },
}

/// The advice for a folder without weights, or with weights in another format.
fn instead(other: Option<&str>) -> String {
    match other {
        None => "; point to a Hugging Face model folder or a .safetensors file".to_owned(),
        Some(name) => format!(
            ", but {name}, which sst does not read: load the folder with transformers and save it again with \
             save_pretrained, which writes safetensors"
        ),
    }
}
