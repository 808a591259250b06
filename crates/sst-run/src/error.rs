//! The errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

use sst_data::NamesSettings;
use sst_data::lock::LockError;
use sst_data::read::ReadError;
use sst_data::rows::DatasetError;
use sst_data::store::{PrepareError, StoreError};
use sst_data::tokenize::TokenizeError;
use sst_models::ModelError;
use sst_objectives::ObjectiveError;
use sst_train::TrainError;

use crate::recipe::{Task, keys};

pub use crate::recipe::RecipeError;

/// The advice for a damaged file that a run writes at its start and reads when it is resumed.
pub(crate) const PUT_BACK: &str =
    "restore the file as the run wrote it, or start another run with --set run.name=NAME";

/// Why a run could not be set up, or why its training failed.
///
/// An error of a library names settings of the library; the message here ends with the keys of the recipe that give
/// them.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A key of the recipe or of an override is wrong; the error names file and line.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A path that the caller named does not exist.
    #[error("{} does not exist: check the path (it is relative to the working directory)", .0.display())]
    Missing(PathBuf),
    /// The device, the number of threads or the precision is not available on this machine.
    #[error("{0}")]
    Device(String),
    /// The libraries of CUDA could not be loaded.
    #[error("cannot load CUDA: {0}")]
    Cuda(#[source] sst_kernels::Error),
    /// The data and the settings contradict each other: for example, a row is longer than a step may be.
    #[error("{0}")]
    Settings(String),
    /// The run folder is in use, or holds checkpoints of an earlier run.
    #[error("{0}")]
    Folder(String),
    /// The recipe, the data or the tokenizer differs from that of the run to be resumed.
    #[error("{0}")]
    Resume(String),
    /// A path holds no model, or a model of the wrong kind.
    #[error("{0}")]
    Model(String),
    /// A checkpoint does not match its manifest, or a file of a run folder is damaged.
    #[error("{0}")]
    Damaged(String),
    /// There is no folder for prepared data: neither `data.cache` nor [`Recipe::default_cache`] names one.
    ///
    /// [`Recipe::default_cache`]: crate::Recipe::default_cache
    #[error("there is no folder for prepared data: set data.cache")]
    NoCache,
    /// A file or folder could not be read, written, created or removed.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// The operation that failed: `read`, `write`, `create` or `remove`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file that every run folder contains could not be read.
    #[error("cannot read {path}: {PUT_BACK}: {source}", path = path.display())]
    NoRun {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The content of a file is wrong.
    #[error("{path} {reason}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong. It is the end of a sentence that begins with the path.
        reason: String,
    },
    /// A configuration cannot be written as TOML.
    #[error(transparent)]
    Toml(#[from] toml::ser::Error),
    /// A value cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Documents could not be read.
    #[error("{0}{keys}", keys = keys(.0))]
    Read(#[from] ReadError),
    /// Documents could not be cleaned, tokenized or stored.
    #[error("{0}{keys}", keys = keys(.0))]
    Prepare(#[from] PrepareError),
    /// The data of a task could not be prepared: a value is missing or wrong, for example.
    #[error("{message}")]
    OfTask {
        /// The message of the library, and the keys of the task that give the settings.
        message: String,
        /// The error of the library.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Prepared data could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Documents could not be split into rows.
    #[error("{0}{keys}", keys = keys(.0))]
    Rows(#[from] DatasetError),
    /// The tokenizer could not be loaded or saved.
    #[error(transparent)]
    Tokenizer(#[from] TokenizeError),
    /// A lock could not be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The model could not be built, loaded or saved.
    #[error(transparent)]
    Models(#[from] ModelError),
    /// The objective could not be built.
    #[error("{0}{keys}", keys = keys(.0))]
    Objective(#[from] ObjectiveError),
    /// The processor does not have the level that `SST_CPU` names, or libtorch failed.
    #[error(transparent)]
    Kernels(#[from] sst_kernels::Error),
    /// libtorch failed, or a model lacks what an objective needs.
    #[error("{0}{keys}", keys = keys(.0))]
    Core(#[from] sst_core::Error),
    /// A checkpoint or a log file could not be read or written before the first step.
    #[error("{0}{keys}", keys = keys(.0))]
    Checkpoint(#[from] TrainError),
    /// Training failed after it had begun.
    #[error("{0}{keys}", keys = keys(.0))]
    Train(#[source] TrainError),
    /// An [`Observer`] returned an error.
    ///
    /// [`Observer`]: crate::Observer
    #[error(transparent)]
    Observer(Box<dyn std::error::Error + Send + Sync>),
}

/// The result type of this crate.
pub type Result<T, E = RunError> = std::result::Result<T, E>;

impl RunError {
    /// The error of a library about the data of `task`, with the task's keys.
    pub(crate) fn of_task<E>(task: &Task, error: E) -> Self
    where
        E: std::error::Error + NamesSettings + Send + Sync + 'static,
    {
        Self::OfTask { message: task.message(&error), source: error.into() }
    }

    /// For `map_err`: turns an IO error on `path` into [`RunError::Io`].
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// Builds a [`RunError::Content`] for `path`.
    pub(crate) fn content(path: &Path, reason: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), reason: reason.into() }
    }
}
