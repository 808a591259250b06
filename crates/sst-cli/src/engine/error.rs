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
        Err(other) => flagged(other),
    }
}

/// Adds the flags of the settings that an error of a library names.
fn flagged(error: anyhow::Error) -> anyhow::Error {
    with_flags(error, &[FLAGS, settings::FLAGS].concat(), settings::of)
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
        // Commands without a recipe load models, too.
        RunError::Models(error) => flagged(error.into()),
        RunError::Kernels(error) => error.into(),
        RunError::Observer(error) => anyhow::Error::from_boxed(error),
        RunError::Checkpoint(TrainError::Other(error))
        | RunError::Train(TrainError::Other(error)) => anyhow::Error::from_boxed(error),
        RunError::Checkpoint(ref inner) | RunError::Train(ref inner) => {
            let exit = exit_of(inner);
            match exit {
                Some(exit) => Ends { exit, message: error.to_string() }.into(),
                None => error.into(),
            }
        }
        other => other.into(),
    }
}

/// The exit code of an error of training that has one of its own.
fn exit_of(error: &TrainError) -> Option<Exit> {
    match error {
        TrainError::NonFinite { .. } => Some(Exit::NonFinite),
        TrainError::Config { .. }
        | TrainError::WholeBatch { .. }
        | TrainError::WholeBatchMemory { .. }
        | TrainError::RunExists { .. }
        | TrainError::Resume { .. } => Some(Exit::Usage),
        _ => None,
    }
}
