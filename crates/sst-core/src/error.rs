//! The errors of this crate.

mod checkpoint;
mod load_report;

use std::path::PathBuf;

use sst_data::setting::{self, NamesSettings, Setting};

use crate::kind::{HeadKind, Modality};

pub use checkpoint::CheckpointError;
pub use load_report::LoadReport;

/// Errors of models, objectives and evaluators, and of the traits between them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// libtorch refused an operation.
    #[error("libtorch: {}", sst_kernels::without_stack(&.0.to_string()))]
    Torch(tch::TchError),
    /// A batch lacks an array that an objective or model needs.
    #[error("the batch has no array `{0}`; the objective's collate must make it")]
    MissingArray(String),
    /// The model has no head of this kind.
    #[error("a `{model}` model has no {head}{}; choose another objective or model", found_in(.architectures))]
    MissingHead {
        /// The model's architecture, or its type.
        model: String,
        /// The requested head.
        head: HeadKind,
        /// Architectures of the same type that have such a head.
        architectures: Vec<&'static str>,
    },
    /// The model has no encoder for this modality.
    #[error("a `{model_type}` model has no encoder for {modality} inputs; choose another model")]
    MissingEncoder {
        /// The model's type.
        model_type: String,
        /// The requested modality.
        modality: Modality,
    },
    /// An encoder was given an input of another modality.
    #[error("an encoder for {encoder} inputs cannot read {input} inputs")]
    WrongModality {
        /// The modality of the encoder.
        encoder: Modality,
        /// The modality of the input.
        input: Modality,
    },
    /// The caller needs a causal model.
    #[error(
        "a `{model_type}` model is not causal (its tokens attend to later ones); choose a causal model, or another \
         objective"
    )]
    NotCausal {
        /// The model's type.
        model_type: String,
    },
    /// The model does not support an operation.
    #[error("a `{model_type}` model cannot {what}")]
    Unsupported {
        /// The model's type.
        model_type: String,
        /// The operation, as a verb phrase after "cannot".
        what: &'static str,
    },
    /// Two parameters have the same name.
    #[error("the parameter `{0}` is defined twice")]
    DuplicateParameter(String),
    /// The ranks of a run cannot work together: one has left, does not answer, or calls another operation.
    #[error("rank {rank}: {reason}")]
    Ranks {
        /// The rank that found it.
        rank: usize,
        /// What is wrong.
        reason: String,
    },
    /// A configuration value that cannot be.
    #[error("{key}: {reason}")]
    Config {
        /// The key to change.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting that does not fit what it is used with.
    #[error("{setting} {reason}")]
    Setting {
        /// The setting to change.
        setting: Setting,
        /// What is wrong with it, as a phrase that follows its name.
        reason: String,
    },
    /// A row has more tokens than the model reads.
    #[error(
        "a row of {length} tokens does not fit the model's {limit} positions: shorten or truncate it"
    )]
    RowTooLong {
        /// The tokens of the row.
        length: i64,
        /// The positions of the model.
        limit: i64,
    },
    /// A checkpoint could not be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A caller broke the contract of a function: a tensor of a wrong shape, a gradient of something that is not part
    /// of the graph.
    #[error("{0}")]
    Contract(String),
    /// An evaluator failed. The inner error is of the crate that the evaluator is in, and can be downcast to it.
    #[error(transparent)]
    Evaluation(Box<dyn std::error::Error + Send + Sync>),
}

// Written by hand, without `source`: otherwise the message of libtorch, which contains a stack trace, would be
// printed as well.
impl From<tch::TchError> for Error {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error)
    }
}

impl From<sst_kernels::Error> for Error {
    fn from(error: sst_kernels::Error) -> Self {
        match error {
            sst_kernels::Error::Torch(error) => Self::Torch(error),
            sst_kernels::Error::Contract(message) => Self::Contract(message),
        }
    }
}

impl NamesSettings for Error {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::Setting { setting, .. } => vec![*setting],
            Self::RowTooLong { .. } => vec![setting::MAX_LENGTH],
            _ => Vec::new(),
        }
    }
}

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// ` (A has one)`, or nothing if no architecture has such a head.
fn found_in(architectures: &[&str]) -> String {
    match architectures {
        [] => String::new(),
        [one] => format!(" ({one} has one)"),
        several => format!(" ({} have one)", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;

    #[test]
    fn errors_of_libtorch_and_of_kernels_read_alike() {
        let a = Tensor::zeros([2, 3], (Kind::Float, tch::Device::Cpu));
        let error = Error::from(a.f_matmul(&a).unwrap_err());
        let text = error.to_string();
        assert!(text.contains("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"), "{text}");
        assert!(!text.contains("Exception raised") && text.lines().count() == 1, "{text}");
        assert!(std::error::Error::source(&error).is_none());
        let Error::Torch(inner) = error else { panic!("{error:?}") };
        assert_eq!(Error::from(sst_kernels::Error::from(inner)).to_string(), text);
        let contract = sst_kernels::Error::Contract("a wrong shape".into());
        assert_eq!(Error::from(contract).to_string(), "a wrong shape");
    }
}
