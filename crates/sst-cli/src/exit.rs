//! Exit codes, and which error gets which.

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use sst_data::augment::AugmentError;
use sst_data::augment::thesaurus::ThesaurusError;
use sst_data::augment::translate::TranslateError;
use sst_data::read::{NotAFile, ReadError};
use sst_data::store::PrepareError;
use sst_data::tokenize::TokenizeError;

use crate::render;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what it was asked to.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The arguments, or the recipe, are wrong.
    Usage = 2,
    /// It stopped early, and a good checkpoint stands on disk.
    Stopped = 3,
    /// The loss or the gradient was not finite.
    NonFinite = 4,
    /// A signal ended it: 128 and the number of SIGINT, as of what a shell runs.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error of the user's making: arguments or configuration. It ends the command with code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// An error with an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Ends {
    /// The code.
    pub exit: Exit,
    /// What happened.
    pub message: String,
}

/// Tells the user of the error on stderr and gives the code to exit with. A reader of stdout who has
/// seen enough (`sst ... | head`) is no error.
/// `is_usage` says of an error, or of one of its causes, whether it is wrong usage, besides those that are known here.
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

/// Tells what clap has to say of the arguments: help and the version on stdout, what is wrong with them on stderr.
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
        // Many errors already tell their cause.
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// Whether what the arguments name is not there, or is not what they say: that is wrong usage in every command.
fn is_missing_input(error: &anyhow::Error) -> bool {
    let is_missing = |error: &ReadError| {
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
    };
    error.chain().any(|cause| {
        let prepare = cause.downcast_ref::<PrepareError>();
        let augment = cause.downcast_ref::<AugmentError>();
        let io = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause.downcast_ref::<ReadError>().is_some_and(is_missing)
            || io.is_some_and(|inner| inner.is::<NotAFile>())
            || matches!(prepare, Some(PrepareError::Read(error)) if is_missing(error))
            || augment.is_some_and(is_missing_augment)
            || cause.downcast_ref::<TokenizeError>().is_some_and(is_missing_tokenizer)
    })
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

/// Whether there is no tokenizer where one is said to be, or one is to be trained that cannot be.
pub fn is_missing_tokenizer(error: &TokenizeError) -> bool {
    matches!(
        error,
        TokenizeError::NotFound(_) | TokenizeError::Foreign { .. } | TokenizeError::Config { .. }
    )
}
