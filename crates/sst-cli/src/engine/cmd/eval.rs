//! `sst eval`.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use sst_cli::args::EvalCommand;
use sst_cli::exit::{Exit, Usage};
use sst_core::{Model, Objective};
use sst_eval::{Entry, EvalError, Input, Report};

use super::{eval_other, eval_rows, pairs, perplexity};

/// A key of an evaluator's configuration with the value that the command line gives it.
pub(super) type Setting<'a> = (&'a str, Value);

/// Evaluates a model and prints the report.
///
/// # Errors
/// If there is no such evaluator, model or data cannot be read, or there is nothing to measure.
pub(crate) fn run(command: &EvalCommand) -> Result<Exit> {
    let entry = sst_eval::entry(&command.evaluator()).map_err(of_evaluator)?;
    match command {
        EvalCommand::MaskAccuracy(args) => eval_rows::objective_rows(entry, args, Vec::new()),
        EvalCommand::PseudoPerplexity(args) => eval_rows::token_rows(entry, args, Vec::new()),
        EvalCommand::Perplexity(args) => {
            let settings = vec![
                ("max_length", json!(args.max_length)),
                ("stride", json!(args.stride)),
                ("windows", json!(args.windows)),
                ("batch_tokens", json!(args.batch_tokens)),
            ];
            perplexity::run(entry, &args.texts(), settings)
        }
        EvalCommand::Retrieval(args) => pairs::pairs(entry, args, Vec::new()),
        EvalCommand::Sts(args) => pairs::scored_pairs(entry, args, Vec::new()),
        EvalCommand::Other(words) => eval_other::run(entry, words),
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
    let mut evaluator = entry.build(&entry.config_with(settings), input).map_err(of_evaluator)?;
    evaluator.evaluate(model, objective).map_err(|error| match error {
        sst_core::Error::Evaluation(inner) => match inner.downcast::<EvalError>() {
            Ok(error) => match *error {
                error @ EvalError::NotFinite(_) => {
                    anyhow::Error::from(error).context(folder.display().to_string())
                }
                error => of_evaluator(error),
            },
            Err(other) => anyhow::Error::from_boxed(other),
        },
        other => other.into(),
    })
}

/// Errors that options of the command line cause are wrong usage.
fn of_evaluator(error: EvalError) -> anyhow::Error {
    match error {
        EvalError::Window(_) | EvalError::Config { .. } | EvalError::Unknown { .. } => {
            Usage(error.to_string()).into()
        }
        other => other.into(),
    }
}
