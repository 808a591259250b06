//! The errors of this crate.

use std::fmt;
use std::path::{Path, PathBuf};

use sst_data::Key;
use sst_data::setting::{self as data, NamesSettings, Setting};

use crate::setting;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A model, an objective, a tracker or libtorch failed.
    #[error(transparent)]
    Core(#[from] sst_core::Error),
    /// A batch could not be loaded.
    #[error(transparent)]
    Load(#[from] sst_data::loader::LoadError),
    /// The loss or the gradient is NaN or infinite. The weights were not updated.
    #[error(
        "step {step}: the loss is {loss} and the gradient norm {grad_norm}; the weights were left as \
         they were. Look at the rows of this step ({}), or lower `optimizer.lr`",
        Listed(keys)
    )]
    NonFinite {
        /// The step, from 1.
        step: u64,
        /// The mean loss of the step.
        loss: f64,
        /// The 2-norm of the gradients, before clipping.
        grad_norm: f64,
        /// The origins of its rows.
        keys: Vec<Key>,
    },
    /// A loss over the whole batch cannot be summed over micro-batches.
    #[error(
        "objective `{objective}` compares all rows of a batch with each other, so a step cannot be \
         split into {micro} micro-batches: make the micro-batch as large as the batch"
    )]
    WholeBatch {
        /// The name of the objective.
        objective: &'static str,
        /// The number of micro-batches in the step.
        micro: usize,
    },
    /// A loss over the whole batch cannot be summed over ranks.
    #[error(
        "objective `{objective}` compares all rows of a batch with each other, and cannot do so across {world} \
         processes: train it in one process"
    )]
    WholeBatchRanks {
        /// The name of the objective.
        objective: &'static str,
        /// The number of ranks.
        world: usize,
    },
    /// The memory does not suffice for a batch, and its loss cannot be split into smaller micro-batches.
    #[error(
        "step {step}: memory does not suffice for the batch, and objective `{objective}` compares all of \
         its rows with each other, so that it cannot be cut: make batches smaller"
    )]
    WholeBatchMemory {
        /// The step, from 1.
        step: u64,
        /// The name of the objective.
        objective: &'static str,
    },
    /// The memory does not suffice for a single row.
    #[error(
        "step {step}: memory does not suffice for one row at a time ({reason}): choose shorter rows, a \
         smaller model, or `precision` bf16; the step's rows: {}",
        Listed(keys)
    )]
    OutOfMemory {
        /// The step, from 1.
        step: u64,
        /// The message of libtorch.
        reason: String,
        /// The origins of its rows.
        keys: Vec<Key>,
    },
    /// No parameter has a gradient after the backward pass.
    #[error(
        "step {step}: no trainable parameter got a gradient; check which parameters are frozen, and whether the \
         objective uses the model"
    )]
    NoGradient {
        /// The step, from 1.
        step: u64,
    },
    /// The batching rule ended before the run did.
    #[error("the data ended after step {step} of {total_steps}: lower `total_steps`")]
    DataEnded {
        /// The number of steps done.
        step: u64,
        /// The number of steps of the run.
        total_steps: u64,
    },
    /// A setting has a value that a run cannot start with.
    #[error("{setting}: {reason}")]
    Config {
        /// The setting to change.
        setting: Setting,
        /// What is wrong with its value.
        reason: String,
    },
    /// A new run where an old one left checkpoints.
    #[error("{path} already holds checkpoints: resume that run, or choose another folder", path = path.display())]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// A checkpoint could not be written. Earlier checkpoints were not touched.
    #[error("cannot save {path}: {reason}; the checkpoints before it are untouched", path = path.display())]
    Save {
        /// The folder of the checkpoint.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// A checkpoint is damaged or incomplete: it does not agree with its manifest, or cannot be parsed.
    #[error("{path}: {reason}", path = path.display())]
    Broken {
        /// The file or folder that is wrong.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The run has checkpoints, and all of them are damaged.
    #[error(
        "{path}: none of its checkpoints is whole: copy one of them again, or start another run in another folder",
        path = path.display()
    )]
    NoneWhole {
        /// The folder.
        path: PathBuf,
    },
    /// The checkpoint was made with other settings than those of this run.
    #[error("cannot resume from {path}: {reason}", path = path.display())]
    Resume {
        /// The folder of the checkpoint.
        path: PathBuf,
        /// The setting that differs.
        reason: String,
        /// The setting that differs.
        setting: Setting,
    },
    /// Another rank failed, so this rank ends as well.
    #[error("rank {rank} failed, so that all ranks end: {message}")]
    OtherRank {
        /// The rank that failed.
        rank: usize,
        /// The message of its error.
        message: String,
    },
    /// The ranks were started with different settings, or from different steps.
    #[error(
        "rank {rank} has other settings than rank 0, or resumes from another step: start all ranks with the same \
         settings and the same checkpoint"
    )]
    RanksDiffer {
        /// The first rank that differs from rank 0.
        rank: usize,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A closure of the caller failed, such as the one that opens a loader or exports a model.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl From<sst_kernels::Error> for TrainError {
    fn from(error: sst_kernels::Error) -> Self {
        Self::Core(error.into())
    }
}

impl From<tch::TchError> for TrainError {
    fn from(error: tch::TchError) -> Self {
        Self::Core(error.into())
    }
}

impl NamesSettings for TrainError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::Core(error) => error.settings(),
            Self::Load(error) => error.settings(),
            Self::NonFinite { .. } => vec![setting::LR],
            Self::WholeBatch { .. } => vec![data::MICRO_BATCH_SIZE, data::BATCH_SIZE],
            Self::WholeBatchMemory { .. } => vec![data::BATCH_SIZE],
            Self::OutOfMemory { .. } => vec![setting::PRECISION],
            Self::DataEnded { .. } => vec![setting::TOTAL_STEPS],
            Self::Config { setting, .. } | Self::Resume { setting, .. } => vec![*setting],
            Self::RunExists { .. } | Self::NoneWhole { .. } => vec![setting::FOLDER],
            Self::WholeBatchRanks { .. }
            | Self::NoGradient { .. }
            | Self::Save { .. }
            | Self::Broken { .. }
            | Self::OtherRank { .. }
            | Self::RanksDiffer { .. }
            | Self::Io { .. }
            | Self::Other(_) => Vec::new(),
        }
    }
}

impl TrainError {
    /// A function for `map_err` that turns an I/O error at `path` into [`TrainError::Io`].
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// [`TrainError::Broken`] for the file or folder `path`.
    pub(crate) fn broken(path: &Path, reason: impl Into<String>) -> Self {
        Self::Broken { path: path.to_owned(), reason: reason.into() }
    }
}

/// Displays the first keys of a list and the number of the others.
pub(crate) struct Listed<'a>(pub(crate) &'a [Key]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (i, key) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{key}", if i == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
