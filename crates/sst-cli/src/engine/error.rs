//! Maps the errors of `sst-run` to exit codes.

use sst_cli::exit::{Ends, Exit, Usage};
use sst_cli::files;
use sst_run::RunError;
use sst_train::TrainError;

/// Wraps an error of `sst-run` so that it ends the command with the right exit code. Other errors are returned
/// unchanged.
pub(crate) fn with_exit_code(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<RunError>() {
        Ok(error) => of_run(error),
        Err(other) => other,
    }
}

fn of_run(error: RunError) -> anyhow::Error {
    match error {
        RunError::Recipe(_)
        | RunError::Missing(_)
        | RunError::Device(_)
        | RunError::Settings(_)
        | RunError::Folder(_)
        | RunError::Resume(_)
        | RunError::Model(_) => Usage(error.to_string()).into(),
        // The environment names no cache folder; this error says which variables are missing.
        RunError::NoCache => files::user_cache().err().unwrap_or_else(|| error.into()),
        // The errors of the libraries are passed on unwrapped: `conclude` knows which of them are wrong usage.
        RunError::Read(error) => error.into(),
        RunError::Prepare(error) => error.into(),
        RunError::Store(error) => error.into(),
        RunError::Rows(error) => error.into(),
        RunError::Tokenizer(error) => error.into(),
        RunError::Models(error) => error.into(),
        RunError::Objective(error) => error.into(),
        RunError::Kernels(error) => error.into(),
        RunError::Core(error) => error.into(),
        RunError::Observer(error) => anyhow::Error::from_boxed(error),
        RunError::Checkpoint(error) | RunError::Train(error) => of_training(error),
        other => other.into(),
    }
}

fn of_training(error: TrainError) -> anyhow::Error {
    match error {
        TrainError::NonFinite { .. } => {
            Ends { exit: Exit::NonFinite, message: error.to_string() }.into()
        }
        TrainError::Config { .. }
        | TrainError::WholeBatch { .. }
        | TrainError::WholeBatchMemory { .. }
        | TrainError::RunExists { .. }
        | TrainError::Resume { .. } => Usage(error.to_string()).into(),
        TrainError::Other(inner) => anyhow::Error::from_boxed(inner),
        other => other.into(),
    }
}
