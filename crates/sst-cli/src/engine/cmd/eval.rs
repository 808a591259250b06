//! `sst eval`.

use std::ffi::OsString;

use anyhow::Result;
use clap::{Command, FromArgMatches, Subcommand};
use serde_json::json;
use sst_cli::args::{CaptionsUsed, EvalCommand};
use sst_cli::exit::Exit;
use sst_core::Modality;
use sst_eval::Entry;

use super::eval_other;
use super::measure::{Measured, evaluator_error};
use super::pictures::refuse_for_texts;
use super::{eval_rows, pairs, perplexity, picture_pairs, zero_shot};
use crate::model;

/// Evaluates a model and prints the report.
///
/// # Errors
/// If there is no such evaluator, model or data cannot be read, or there is nothing to measure.
pub(crate) fn run(command: &EvalCommand) -> Result<Exit> {
    let entry = sst_eval::entry(&command.evaluator()).map_err(evaluator_error)?;
    if let EvalCommand::Other(words) = command {
        eval_other::check(entry)?;
        return match eval_other::command(entry).try_get_matches_from(words) {
            Ok(matches) => eval_other::measure(entry, &matches)?.show(),
            Err(said) => eval_other::print(&said),
        };
    }
    measure(entry, command)?.show()
}

/// The arguments of an evaluator.
pub(super) fn arguments(entry: &Entry) -> Command {
    let own = EvalCommand::augment_subcommands(Command::new("sst eval"));
    own.find_subcommand(entry.name).cloned().unwrap_or_else(|| eval_other::command(entry))
}

/// Measures a model as the command line `sst eval WORDS` does, without printing. The first of `words` is the name of the
/// evaluator.
///
/// # Errors
/// If an argument is wrong, model or data cannot be read, or there is nothing to measure.
pub(super) fn measure_words(entry: &Entry, words: &[OsString]) -> Result<Measured> {
    eval_other::check(entry)?;
    let line = [&[OsString::from("sst eval")], words].concat();
    let own = EvalCommand::augment_subcommands(Command::new("sst eval"));
    let command = EvalCommand::from_arg_matches(&own.try_get_matches_from(line)?)?;
    measure(entry, &command)
}

/// Measures a model.
fn measure(entry: &Entry, command: &EvalCommand) -> Result<Measured> {
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
        EvalCommand::Retrieval(args) => {
            let found = model::find(&args.pairs.model)?;
            if found.reads(Modality::Image) {
                return picture_pairs::retrieval(entry, args, &found);
            }
            let for_pictures = [
                ("--grid", args.grid.is_some()),
                ("--captions all", args.captions == CaptionsUsed::All),
                ("--skip-errors", args.skip_errors),
                ("--batch-size", args.batch_size.is_some()),
                ("--bootstrap-samples", args.bootstrap_samples.is_some()),
            ];
            refuse_for_texts(&found, &args.pictures, &for_pictures)?;
            pairs::pairs(entry, &args.pairs, Vec::new())
        }
        EvalCommand::ZeroShot(args) => {
            let settings = vec![
                ("templates", json!(args.templates)),
                ("batch_size", json!(args.batch_size)),
                ("bootstrap_samples", json!(args.bootstrap_samples)),
            ];
            zero_shot::named_pictures(entry, args, settings)
        }
        EvalCommand::Sts(args) => pairs::scored_pairs(entry, args, Vec::new()),
        EvalCommand::Other(words) => {
            let matches = eval_other::command(entry).try_get_matches_from(words)?;
            eval_other::measure(entry, &matches)
        }
    }
}
