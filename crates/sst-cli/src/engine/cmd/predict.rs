//! `sst predict`.

mod input;
mod line;

use anyhow::Result;
use serde_json::{Value, json};
use sst_cli::args::PredictArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::host::source::named;
use sst_cli::render;
use sst_core::{HeadKind, Model};
use sst_data::records::{Column, ColumnKind, Records, WindowSpec};
use sst_data::{Ledger, RowSpec};
use sst_eval::EvalError;
use sst_eval::metric::{AnswerCandidate, AnswerSearch};
use sst_eval::predict::{AnswerFinder, ClassScorer, Decoding, EntityFinder, characters};
use sst_models::LoadHead;

use super::eval_records::max_length;
use super::measure::evaluator_error;
use crate::{model, settings};
use input::Inputs;
use line::Lines;

/// The heads that this command uses.
const HEADS: [HeadKind; 3] =
    [HeadKind::SequenceClassification, HeadKind::TokenClassification, HeadKind::Span];

/// Prints what the task head of a model predicts for texts or questions.
///
/// # Errors
/// If the model has no task head, an option is not for its head, or model or data cannot be read.
pub(crate) fn run(args: &PredictArgs) -> Result<Exit> {
    let found = model::find(&args.model)?;
    let device = settings::open_device(&args.device)?;
    let ledger = Ledger::new();
    let (model, processor) = found.load(device, LoadHead::AsFound, &ledger)?;
    let Some(kind) = HEADS.into_iter().find(|kind| model.head(*kind).is_ok()) else {
        let message = format!(
            "{}: the model has no head for classes, entities or answers: train one with `sst train`, with the objective \
             classify, tag or answer",
            args.model.display()
        );
        return Err(Usage(message).into());
    };
    check_options(args, kind)?;
    let max_length = max_length(args.max_length, model.max_length()?)?;
    let inputs = Inputs::open(args)?;
    let spec = spec(args, kind);
    let rows = inputs.rows(&spec, processor.tokenizer()?, max_length, &ledger)?;
    let text = if kind == HeadKind::Span { "context" } else { "text" };
    let mut lines = Lines::new(inputs.records(text)?, inputs.text_fields(), args.json);
    predict(args, kind, &*model, &rows, &mut lines)?;
    // The other fields of a record are not dropped: they are written.
    let entries = ledger.entries().into_iter().filter(|(name, _)| name != "unused.columns");
    render::ledger(&entries.collect());
    Ok(Exit::Done)
}

/// Refuses options that are for another head.
fn check_options(args: &PredictArgs, kind: HeadKind) -> Result<()> {
    let is_answer = kind == HeadKind::Span;
    let is_class = kind == HeadKind::SequenceClassification;
    let what = match kind {
        HeadKind::Span => "answers to questions",
        HeadKind::TokenClassification => "entities",
        _ => "classes",
    };
    let wrong = [
        (!args.text.is_empty() && is_answer, "--text: give --question and --context, or --data"),
        (args.question.is_some() && !is_answer, "--question: give --text or --data"),
        (args.text_pair.is_some() && !is_class, "--text-pair, which is for classes: omit it"),
        (args.pairs && !is_class, "--pairs, which is for classes: omit it"),
        (args.top_k.is_some() && !(is_class || is_answer), "--top-k: omit it"),
        (args.null_threshold.is_some() && !is_answer, "--null-threshold: omit it"),
        (args.stride.is_some() && is_class, "--stride: omit it"),
        (
            args.decoding != "greedy" && kind != HeadKind::TokenClassification,
            "--decoding, which is for entities: omit it",
        ),
    ];
    match wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, option)) => {
            Err(Usage(format!("this model predicts {what}, and you gave {option}")).into())
        }
        None => Ok(()),
    }
}

/// The rows that the head reads.
fn spec(args: &PredictArgs, kind: HeadKind) -> RowSpec {
    let column = |name: &str, kind| Column::new(name, kind);
    let second =
        |name: &str, first: &str| column(name, ColumnKind::SecondText { first: first.to_owned() });
    let window =
        |text: &str| Some(WindowSpec { text: text.to_owned(), stride: args.stride.into() });
    match kind {
        HeadKind::Span => RowSpec::Records {
            columns: vec![column("question", ColumnKind::Text), second("context", "question")],
            window: window("context"),
        },
        HeadKind::TokenClassification => RowSpec::Records {
            columns: vec![column("text", ColumnKind::Text)],
            window: window("text"),
        },
        _ => {
            let mut columns = vec![column("text", ColumnKind::Text)];
            if args.pairs || args.text_pair.is_some() {
                columns.push(second("text_pair", "text"));
            }
            RowSpec::records(columns)
        }
    }
}

fn predict(
    args: &PredictArgs,
    kind: HeadKind,
    model: &dyn Model,
    rows: &Records,
    lines: &mut Lines,
) -> Result<()> {
    let batch_size = args.batch_size as usize;
    let mut failed = None;
    // The visitors return errors of evaluators alone, so others are kept aside.
    let mut keep = |result: Result<()>| {
        result.map_err(|error| {
            let message = error.to_string();
            failed = Some(error);
            EvalError::Source(message)
        })
    };
    let done = match kind {
        HeadKind::Span => {
            let search = AnswerSearch {
                max_answer_length: args.max_answer_length as usize,
                null_score_diff_threshold: args.null_threshold.map(|threshold| threshold as f32),
                ..AnswerSearch::default()
            };
            let top_k = args.top_k.map_or(3, |k| k as usize);
            AnswerFinder::new(search, batch_size).for_each(model, rows, &mut |answered| {
                let context = answered.example.text("context").unwrap_or_default();
                let candidates = best_first(&answered.found.candidates, answered.found.span);
                let answers = candidates.into_iter().take(top_k);
                let answers: Vec<Value> = answers.map(|one| answer(context, &one)).collect();
                keep(lines.write(&answered.example, "answers", answers))
            })
        }
        HeadKind::TokenClassification => {
            let decoding: Decoding = named("--decoding", &args.decoding)?;
            let finder = EntityFinder::new(model, decoding, batch_size).map_err(evaluator_error)?;
            finder.for_each(model, rows, &mut |tagged| {
                let text = tagged.example.text("text").unwrap_or_default();
                let entities = tagged.entities()?;
                let entities = entities.iter().map(|entity| {
                    let (start, end) = entity.characters;
                    json!({
                        "label": entity.label, "start": start, "end": end,
                        "text": characters(text, (start, end)), "score": entity.score,
                    })
                });
                keep(lines.write(&tagged.example, "entities", entities.collect()))
            })
        }
        _ => {
            let scorer = ClassScorer::new(model, batch_size).map_err(evaluator_error)?;
            let top_k = args.top_k.map_or(usize::MAX, |k| k as usize);
            scorer.for_each(model, rows, &mut |example, scored| {
                let mut order: Vec<usize> = (0..scored.scores.len()).collect();
                order.sort_by(|a, b| scored.scores[*b].total_cmp(&scored.scores[*a]));
                let label =
                    |at: usize| json!({"label": scorer.names()[at], "score": scored.scores[at]});
                let labels = order.into_iter().take(top_k).map(label).collect();
                keep(lines.write(example, "labels", labels))
            })
        }
    };
    match failed {
        Some(error) => Err(error),
        None => done.map_err(evaluator_error),
    }
}

/// The candidates with the answer that was decided for in front. Windows that overlap may have it several times.
fn best_first(
    candidates: &[AnswerCandidate],
    decided: Option<(usize, usize)>,
) -> Vec<AnswerCandidate> {
    let mut order = candidates.to_vec();
    if let Some(at) = order.iter().position(|candidate| candidate.span == decided) {
        order[..=at].rotate_right(1);
    }
    order
}

fn answer(context: &str, candidate: &AnswerCandidate) -> Value {
    match candidate.span {
        Some((start, end)) => json!({
            "text": characters(context, (start, end)), "start": start, "end": end,
            "score": candidate.probability,
        }),
        None => json!({"text": "", "start": null, "end": null, "score": candidate.probability}),
    }
}
