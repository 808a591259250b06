//! What can be wrong with a file of weights.

use std::path::PathBuf;

use super::load_report::LoadReport;

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
        "{path} holds neither model.safetensors nor model.safetensors.index.json{}",
        instead(*other),
        path = path.display()
    )]
    NoWeights {
        /// The folder.
        path: PathBuf,
        /// Weights in a format that sst does not read.
        other: Option<&'static str>,
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
    /// A parameter whose numbers are not floating-point ones.
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
    /// A parameter that holds NaN, infinity, or a number that is infinite in fp32.
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
        /// The first such number, counted row by row from 0.
        place: usize,
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

/// What to do where there are no weights, or others.
fn instead(other: Option<&str>) -> String {
    match other {
        None => "; point to a Hugging Face model folder or a .safetensors file".to_owned(),
        Some(name) => format!(
            ", but {name}, which sst does not read: load the folder with transformers and save it again with \
             save_pretrained, which writes safetensors"
        ),
    }
}
