//! `sst eval` with an evaluator that has no arguments of its own in `sst`: they are made from what the list of evaluators
//! knows of it.

use std::io::{Write, stdout};

use anyhow::Result;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use serde_json::Value;
use sst_cli::args::{
    ComparedTextArgs, EmbeddedTextArgs, EvalArgs, LabelledRowArgs, MaskAccuracyArgs, PairArgs,
    RecordArgs, TextArgs, ZeroShotArgs,
};
use sst_cli::exit::{Exit, Usage};
use sst_eval::{Entry, InputKind};

use super::measure::{Measured, Setting};
use super::{eval_frozen, eval_records, eval_rows, pairs, perplexity, vectors, zero_shot};

/// Checks that the evaluator can be run by itself.
///
/// # Errors
/// If it measures an objective.
pub(super) fn check(entry: &Entry) -> Result<()> {
    if entry.needs_objective {
        let message = format!(
            "{} measures an objective with the parameters that it trains, so it runs while a model is trained: see \
             the figures that begin with `eval/` in the run's metrics.jsonl",
            entry.name
        );
        return Err(Usage(message).into());
    }
    Ok(())
}

/// Prints the help, or why the arguments are wrong.
///
/// # Errors
/// If stdout cannot be written to.
pub(super) fn print(said: &clap::Error) -> Result<Exit> {
    said.print()?;
    stdout().flush()?;
    Ok(if said.use_stderr() { Exit::Usage } else { Exit::Done })
}

/// Measures a model.
///
/// # Errors
/// If an argument is wrong, model or data cannot be read, or there is nothing to measure.
pub(super) fn measure(entry: &Entry, matches: &ArgMatches) -> Result<Measured> {
    let settings = settings(entry, matches);
    match entry.input {
        InputKind::ObjectiveRows => eval_rows::objective_rows(
            entry,
            &MaskAccuracyArgs::from_arg_matches(matches)?,
            settings,
        ),
        InputKind::TokenRows => {
            eval_rows::token_rows(entry, &EvalArgs::from_arg_matches(matches)?, settings)
        }
        InputKind::Texts => perplexity::run(entry, &TextArgs::from_arg_matches(matches)?, settings),
        InputKind::Pairs => pairs::pairs(entry, &PairArgs::from_arg_matches(matches)?, settings),
        InputKind::ScoredPairs => {
            pairs::scored_pairs(entry, &PairArgs::from_arg_matches(matches)?, settings)
        }
        InputKind::Records => {
            eval_records::records(entry, &RecordArgs::from_arg_matches(matches)?, settings)
        }
        InputKind::LabelledRows => {
            let args = LabelledRowArgs::from_arg_matches(matches)?;
            eval_frozen::labelled(entry, &args, settings)
        }
        InputKind::NamedPictures => {
            let args = ZeroShotArgs::from_arg_matches(matches)?;
            zero_shot::named_pictures(entry, &args, settings)
        }
        InputKind::ComparedTexts => {
            let args = ComparedTextArgs::from_arg_matches(matches)?;
            eval_frozen::compared(entry, &args, settings)
        }
        InputKind::EmbeddedTexts => {
            let args = EmbeddedTextArgs::from_arg_matches(matches)?;
            vectors::embedded_texts(entry, &args, settings)
        }
    }
}

/// The arguments of an evaluator: those of its kind of data, and an option for each key of its configuration.
pub(super) fn command(entry: &Entry) -> Command {
    let command = Command::new(entry.name)
        .bin_name(format!("sst eval {}", entry.name))
        .about(entry.summary)
        .max_term_width(100);
    let (command, example) = match entry.input {
        InputKind::ObjectiveRows => {
            (MaskAccuracyArgs::augment_args(command), "--data held-out.txt")
        }
        InputKind::TokenRows => (EvalArgs::augment_args(command), "--data held-out.txt"),
        InputKind::Texts => (TextArgs::augment_args(command), "--data held-out.txt"),
        InputKind::Pairs => (PairArgs::augment_args(command), "--data pairs.jsonl --fields a,b"),
        InputKind::ScoredPairs => {
            (PairArgs::augment_args(command), "--data sts.tsv --fields a,b,score")
        }
        InputKind::EmbeddedTexts => (EmbeddedTextArgs::augment_args(command), "--data texts.txt"),
        InputKind::Records => (RecordArgs::augment_args(command), "--data test.jsonl"),
        InputKind::LabelledRows => {
            (LabelledRowArgs::augment_args(command), "--data train.jsonl --test test.jsonl")
        }
        InputKind::NamedPictures => (ZeroShotArgs::augment_args(command), "--data photos/"),
        InputKind::ComparedTexts => {
            (ComparedTextArgs::augment_args(command), "--other runs/tiny --data texts.txt")
        }
    };
    let defaults = (entry.default_config)();
    let has = |key: &str| command.get_arguments().any(|arg| arg.get_id() == key);
    let options = entry.options.iter().filter(|(key, _)| !has(key)).map(|(key, help)| {
        let help = match &defaults[*key] {
            Value::Null => (*help).to_owned(),
            Value::String(default) => format!("{help} [default: {default}]"),
            default => format!("{help} [default: {default}]"),
        };
        let arg = Arg::new(*key).long(key.replace('_', "-")).value_name("VALUE");
        let arg = arg.allow_negative_numbers(true).help(help);
        match &defaults[*key] {
            // `--pairs` alone is `--pairs true`, as in `sst predict`.
            Value::Bool(_) => arg.num_args(0..=1).default_missing_value("true"),
            _ => arg,
        }
    });
    let options: Vec<Arg> = options.collect();
    let after = format!(
        "Example:\n  sst eval {} --model runs/demo {example} --json\n\n{}",
        entry.name, entry.details
    );
    // The arguments above bring a description of their own.
    command.args(options).about(entry.summary).after_help(after)
}

/// The values that the options of [`command`] give to keys of the configuration. A value that is not a JSON number,
/// boolean or `null` is a string.
fn settings(entry: &Entry, matches: &ArgMatches) -> Vec<Setting<'static>> {
    let given = |key: &'static str| {
        let text = matches.try_get_one::<String>(key).ok().flatten()?;
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
        Some((key, value))
    };
    entry.options.iter().filter_map(|(key, _)| given(key)).collect()
}
