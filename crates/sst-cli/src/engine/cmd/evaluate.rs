//! Builds an evaluator of the list and runs it, for the commands of `sst eval`.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;
use sst_cli::exit::Usage;
use sst_cli::flags;
use sst_core::{Model, Objective};
use sst_eval::{Entry, EvalError, Input, Report};

/// A key of an evaluator's configuration with the value that the command line gives it.
pub(super) type Setting<'a> = (&'a str, Value);

/// Builds the evaluator `entry` and measures `model`, which is in `folder`.
///
/// # Errors
/// If the configuration is wrong, or the evaluator fails.
pub(super) fn evaluate(
    entry: &Entry,
    settings: Vec<Setting<'_>>,
    input: Input<'_>,
    model: &dyn Model,
    objective: Option<&dyn Objective>,
    folder: &Path,
) -> Result<Report> {
    let mut evaluator =
        entry.build(&entry.config_with(settings), input).map_err(evaluator_error)?;
    evaluator.evaluate(model, objective).map_err(|error| match error {
        sst_core::Error::Evaluation(inner) => match inner.downcast::<EvalError>() {
            Ok(error) => match *error {
                error @ EvalError::NotFinite(_) => {
                    anyhow::Error::from(error).context(folder.display().to_string())
                }
                error => evaluator_error(error),
            },
            Err(other) => anyhow::Error::from_boxed(other),
        },
        other => other.into(),
    })
}

/// Errors that options of the command line cause are wrong usage.
pub(super) fn evaluator_error(error: EvalError) -> anyhow::Error {
    match error {
        EvalError::SlidingWindow { .. } | EvalError::Config { .. } | EvalError::Unknown { .. } => {
            Usage(format!("{error}{}", flags::of_keys(&error.keys()))).into()
        }
        other => other.into(),
    }
}
