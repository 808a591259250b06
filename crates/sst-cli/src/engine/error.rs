//! Maps the errors of `sst-run` to exit codes.

use sst_cli::exit::{Ends, Exit, Usage};
use sst_cli::files;
use sst_cli::flags::{FLAGS, with_flags};
use sst_run::RunError;
use sst_train::TrainError;

use crate::settings;

/// Wraps an error of `sst-run` so that it ends the command with the right exit code. Its message names the keys of the
/// recipe where it is about settings; the messages of other errors get the flags instead.
pub(crate) fn with_exit_code(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<RunError>() {
        Ok(error) => of_run(error),
        Err(other) => with_flags(other, &[FLAGS, settings::FLAGS].concat(), settings::of),
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
        // The errors of the libraries are passed on: `conclude` knows which of them are wrong usage. Those that name
        // keys of the recipe have the library's error as their source.
        RunError::Store(error) => error.into(),
        RunError::Tokenizer(error) => error.into(),
        RunError::Models(error) => error.into(),
        RunError::Kernels(error) => error.into(),
        RunError::Observer(error) => anyhow::Error::from_boxed(error),
        RunError::Checkpoint(TrainError::Other(error))
        | RunError::Train(TrainError::Other(error)) => anyhow::Error::from_boxed(error),
        RunError::Checkpoint(ref inner) | RunError::Train(ref inner) => match inner {
            TrainError::NonFinite { .. } => {
                Ends { exit: Exit::NonFinite, message: error.to_string() }.into()
            }
            TrainError::Config { .. }
            | TrainError::WholeBatch { .. }
            | TrainError::WholeBatchMemory { .. }
            | TrainError::RunExists { .. }
            | TrainError::Resume { .. } => Usage(error.to_string()).into(),
            _ => error.into(),
        },
        other => other.into(),
    }
}
