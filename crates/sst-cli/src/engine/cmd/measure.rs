//! Builds an evaluator of the list and runs it, for the commands of `sst eval` and `sst evaluate`.

use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};
use sst_cli::exit::{Exit, Usage};
use sst_cli::flags;
use sst_core::{Model, Objective};
use sst_data::Ledger;
use sst_eval::{Entry, EvalError, Input, Report};

use super::show::show_with;

/// A key of an evaluator's configuration with the value that the command line gives it.
pub(super) type Setting<'a> = (&'a str, Value);

/// What a command of `sst eval` measured.
pub(super) struct Measured {
    /// The figures.
    pub(super) report: Report,
    /// What was left out on the way.
    pub(super) ledger: Ledger,
    /// Values that are printed beside the figures, such as the prompts before texts.
    pub(super) told: Map<String, Value>,
    /// Whether the command is to print JSON.
    pub(super) as_json: bool,
}

impl Measured {
    /// A report without further values.
    pub(super) fn new(report: Report, ledger: Ledger, as_json: bool) -> Self {
        Self { report, ledger, told: Map::new(), as_json }
    }

    /// Prints the report and the ledger.
    ///
    /// # Errors
    /// If a metric is NaN or infinite, or stdout cannot be written to.
    pub(super) fn show(&self) -> Result<Exit> {
        let Self { report, ledger, told, as_json } = self;
        show_with(report, ledger, *as_json, told)
    }
}

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
        EvalError::SlidingWindow { .. }
        | EvalError::Config { .. }
        | EvalError::PicturePooling(_)
        | EvalError::Unknown { .. } => {
            Usage(format!("{error}{}", flags::of_keys(&error.keys()))).into()
        }
        other => other.into(),
    }
}
