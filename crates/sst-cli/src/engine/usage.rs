//! Which errors of the crates that use libtorch are wrong usage (exit code 2): the named folder holds no model, or a
//! text or an option is invalid. [`sst_cli::exit`] knows the errors of sst-data.

use std::error::Error;

use sst_cli::exit::is_missing_tokenizer;
use sst_core::checkpoint::CheckpointError;
use sst_eval::EvalError;
use sst_models::ModelError;

/// Whether `cause` means that the command was used wrongly, so that it ends with code 2.
pub(crate) fn is_usage(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<ModelError>().is_some_and(of_model)
        || cause.downcast_ref::<sst_core::Error>().is_some_and(of_core)
        || cause.downcast_ref::<EvalError>().is_some_and(of_text)
}

fn of_model(error: &ModelError) -> bool {
    match error {
        ModelError::Option { .. }
        | ModelError::HeadSize { .. }
        | ModelError::NoBase { .. }
        | ModelError::ComparesPictures { .. }
        | ModelError::IsAdapter { .. } => true,
        ModelError::Tokenizer(error) => is_missing_tokenizer(error),
        ModelError::Core(error) => of_core(error),
        _ => false,
    }
}

fn of_core(error: &sst_core::Error) -> bool {
    matches!(error, sst_core::Error::Checkpoint(CheckpointError::NoWeights { .. }))
}

fn of_text(error: &EvalError) -> bool {
    matches!(
        error,
        EvalError::NoMaskInText { .. }
            | EvalError::NoMaskToken
            | EvalError::TooLong { .. }
            | EvalError::EmptyPrompt
            | EvalError::LongPrompt { .. }
    )
}
