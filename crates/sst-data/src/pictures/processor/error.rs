//! Errors of image processors.

use std::io;
use std::path::PathBuf;

use crate::transform::TransformError;

/// Why an image processor cannot be loaded, saved or used.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// The folder has no image processor.
    #[error("{folder} has no preprocessor_config.json: name a folder of a model that reads pictures", folder = .0.display())]
    NotFound(PathBuf),
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {error}", path = path.display())]
    Io {
        /// The operation that failed.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        error: io::Error,
    },
    /// The file does not describe a processor that is read.
    #[error("{path}: {reason}", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The key at fault and what to do.
        reason: String,
    },
    /// The numbers of the processor are not valid.
    #[error(transparent)]
    Transform(#[from] TransformError),
}
