//! The exit codes, and which error gets which code.

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use sst_data::augment::AugmentError;
use sst_data::augment::thesaurus::ThesaurusError;
use sst_data::augment::translate::TranslateError;
use sst_data::pictures::PictureError;
use sst_data::read::{NotAFile, ReadError};
use sst_data::store::PrepareError;
use sst_data::tokenize::TokenizeError;

use crate::render;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command succeeded.
    Done = 0,
    /// The command failed.
    Failed = 1,
    /// The arguments or the recipe are wrong.
    Usage = 2,
    /// Training stopped early, and a good checkpoint is on disk.
    Stopped = 3,
    /// The loss or the gradient was not finite.
    NonFinite = 4,
    /// A signal ended the command: 128 plus the number of SIGINT, as shells report it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The arguments or the configuration are wrong. The command ends with code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// An error with an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Ends {
    /// The exit code.
    pub exit: Exit,
    /// The error message.
    pub message: String,
}

/// Prints the error to stderr and returns the exit code. It is no error if the reader of stdout has closed the pipe,
/// as in `sst ... | head`. `is_usage` says whether a cause of the error counts as wrong usage (code 2), in addition
/// to the errors that this file knows.
pub fn conclude(
    result: anyhow::Result<Exit>,
    is_usage: fn(&(dyn Error + 'static)) -> bool,
) -> ExitCode {
    let error = match result {
        Ok(exit) => return exit.into(),
        Err(error) => error,
    };
    let broken_pipe = |e: &std::io::Error| e.kind() == ErrorKind::BrokenPipe;
    if error.downcast_ref::<render::Stdout>().is_some_and(|stdout| broken_pipe(&stdout.0)) {
        return Exit::Done.into();
    }
    render::error(&message(&error));
    let exit = match error.downcast_ref::<Ends>() {
        Some(ends) => ends.exit,
        None if error.downcast_ref::<Usage>().is_some() => Exit::Usage,
        None if is_missing_input(&error) || error.chain().any(is_usage) => Exit::Usage,
        None => Exit::Failed,
    };
    exit.into()
}

/// Prints what clap answers to the arguments: help and the version to stdout, errors to stderr.
pub fn conclude_arguments(said: &clap::Error) -> ExitCode {
    let printed = said.print().and_then(|()| io::stdout().flush());
    match printed {
        _ if said.use_stderr() => Exit::Usage.into(),
        Ok(()) => Exit::Done.into(),
        Err(error) => conclude(Err(render::Stdout(error).into()), |_| false),
    }
}

/// The error and its causes in one sentence.
pub fn message(error: &anyhow::Error) -> String {
    let mut message = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many error messages already contain the message of their cause.
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// Whether a path in the arguments does not exist or is not of the kind that the arguments say. That is wrong usage
/// in every command.
fn is_missing_input(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let prepare = cause.downcast_ref::<PrepareError>();
        let augment = cause.downcast_ref::<AugmentError>();
        let io = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause.downcast_ref::<ReadError>().is_some_and(is_missing)
            || io.is_some_and(|inner| inner.is::<NotAFile>())
            || cause.downcast_ref::<PictureError>().is_some_and(is_missing_picture)
            || matches!(prepare, Some(PrepareError::Read(error)) if is_missing(error))
            || augment.is_some_and(is_missing_augment)
            || cause.downcast_ref::<TokenizeError>().is_some_and(is_missing_tokenizer)
    })
}

/// Whether what the arguments name does not exist or is of another kind.
fn is_missing(error: &ReadError) -> bool {
    matches!(
        error,
        ReadError::NotFound { .. }
            | ReadError::NoMatch { .. }
            | ReadError::BadPattern { .. }
            | ReadError::NoPaths
            | ReadError::NoFiles { .. }
            | ReadError::UnknownExtension { .. }
            | ReadError::AgainstExtension { .. }
            | ReadError::NoFields { .. }
            | ReadError::NoTrainingSplit { .. }
            | ReadError::TextTaken { .. }
            | ReadError::NotAFile { .. }
            | ReadError::Dangling { .. }
    )
}

/// Whether a path of pictures does not exist or holds none.
fn is_missing_picture(error: &PictureError) -> bool {
    match error {
        PictureError::NoPictures { .. } | PictureError::BadRange { .. } => true,
        PictureError::Read(error) => is_missing(error),
        _ => false,
    }
}

fn is_missing_augment(error: &AugmentError) -> bool {
    match error {
        AugmentError::Translate(TranslateError::Missing { .. }) => true,
        AugmentError::Thesaurus(ThesaurusError::Io { source, .. }) => {
            source.kind() == ErrorKind::NotFound
        }
        AugmentError::Thesaurus(ThesaurusError::Unknown { .. }) => true,
        _ => false,
    }
}

/// Whether the error means that there is no tokenizer at the given path, or that the configuration to train one is
/// invalid.
pub fn is_missing_tokenizer(error: &TokenizeError) -> bool {
    matches!(
        error,
        TokenizeError::NotFound(_) | TokenizeError::Foreign { .. } | TokenizeError::Config { .. }
    )
}
