//! `sst eval`.

use anyhow::Result;
use serde_json::json;
use sst_cli::args::EvalCommand;
use sst_cli::exit::Exit;

use super::evaluate::evaluator_error;
use super::{eval_other, eval_rows, pairs, perplexity};

/// Evaluates a model and prints the report.
///
/// # Errors
/// If there is no such evaluator, model or data cannot be read, or there is nothing to measure.
pub(crate) fn run(command: &EvalCommand) -> Result<Exit> {
    let entry = sst_eval::entry(&command.evaluator()).map_err(evaluator_error)?;
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
