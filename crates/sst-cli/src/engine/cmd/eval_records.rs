//! `sst eval` with evaluators of a task head on labelled records.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use serde_json::Value;
use sst_cli::args::RecordArgs;
use sst_cli::exit::Usage;
use sst_cli::files;
use sst_data::{Key, Ledger, RowSpec};
use sst_eval::predict::output_names;
use sst_eval::{Entry, Input, RecordRows, RecordSpec};
use sst_models::LoadHead;

use super::measure::{Measured, Setting, evaluate, evaluator_error};
use super::records::RecordFiles;
use crate::{model, settings};

/// The column with the answers to questions.
const ANSWERS: &str = "answers";

/// Measures the head of a model on labelled records.
///
/// # Errors
/// If an argument is wrong, model or data cannot be read, or there is nothing to measure.
pub(super) fn records(
    entry: &Entry,
    args: &RecordArgs,
    given: Vec<Setting<'_>>,
) -> Result<Measured> {
    let Some(RecordSpec { head, rows, labels }) = entry.records else {
        return Err(Usage(format!("{} reads no records", entry.name)).into());
    };
    let files = RecordFiles::new(&args.data, &args.records)?;
    let found = model::find(&args.model)?;
    let device = settings::open_device(&args.device)?;
    let ledger = Ledger::new();
    let (model, processor) = found.load(device, LoadHead::Needed(head), &ledger)?;
    let tokenizer = processor.tokenizer()?;
    let max_length = max_length(args.max_length, model.max_length()?)?;
    let config = entry.config_with(given.clone());
    // A wrong value is told before the data is read.
    entry.build(&config, empty()).map_err(evaluator_error)?;
    let outputs = output_names(&*model, head).map_err(evaluator_error)?;
    let of_model = model.config();
    let mut spec = rows(&of_model, &config);
    let labels = labels(&of_model, &outputs);
    let gold_answers = gold_answers(&files, &mut spec, &ledger)?;
    let cache = files::user_cache()?.join("prepared").join("records");
    let rows = files.rows(&spec, &labels, tokenizer, max_length, &cache, &ledger)?;
    let input = Input::Records(RecordRows { rows: Arc::new(rows), labels, gold_answers });
    let report = evaluate(entry, given, input, &*model, None, &args.model)?;
    Ok(Measured::new(report, ledger, args.json))
}

/// No rows, for the check of a configuration.
fn empty() -> Input<'static> {
    struct NoRows;
    impl sst_data::rows::Dataset for NoRows {
        fn len(&self) -> u64 {
            0
        }
        fn row_length(&self, _index: u64) -> usize {
            0
        }
        fn get(
            &self,
            index: u64,
            _epoch: u64,
        ) -> Result<sst_data::Example, sst_data::rows::DatasetError> {
            Err(sst_data::rows::DatasetError::OutOfRange { index, len: 0 })
        }
        fn key(&self, _index: u64) -> Key {
            Key::new("?", 0)
        }
    }
    let (labels, gold_answers) = (Vec::new(), BTreeMap::new());
    Input::Records(RecordRows { rows: Arc::new(NoRows), labels, gold_answers })
}

/// The longest row: the given one, which must not be above that of the model.
///
/// # Errors
/// If it is above that of the model.
pub(super) fn max_length(given: Option<usize>, limit: usize) -> Result<usize> {
    match given {
        Some(length) if length > limit => {
            let message =
                format!("--max-length is {length}, but the model reads {limit} tokens: lower it");
            Err(Usage(message).into())
        }
        given => Ok(given.unwrap_or(limit)),
    }
}

/// The gold answers of each question as the files have them, in the form of SQuAD: texts that are right wherever they
/// stand. Their column is then removed from `spec`, and answers that are not where the file says are counted. Empty if the
/// records have no answers, or have them as spans.
fn gold_answers(
    files: &RecordFiles,
    spec: &mut RowSpec,
    ledger: &Ledger,
) -> Result<BTreeMap<Key, Vec<String>>> {
    let mut found = BTreeMap::new();
    let RowSpec::Records { columns, .. } = spec else { return Ok(found) };
    if !columns.iter().any(|column| column.name == ANSWERS) {
        return Ok(found);
    }
    let field = files.field(ANSWERS);
    // The counts of reading are those of the prepared records.
    for document in files.source("context").read_all_fields(&Ledger::new())? {
        // A document that cannot be read is reported, or counted, where the records are prepared.
        let Ok(document) = document else { return Ok(BTreeMap::new()) };
        let answers = document.fields.iter().find(|other| *other.name == *field);
        let Some(answers) = answers.and_then(|answers| texts(answers.value())) else {
            return Ok(BTreeMap::new());
        };
        let context: Vec<char> =
            document.example.text("text").unwrap_or_default().chars().collect();
        let key = &document.example.key;
        for (text, start) in &answers {
            let start = start.and_then(|start| usize::try_from(start).ok());
            let rest = start.and_then(|start| context.get(start..));
            let is_there = rest.is_some_and(|rest| {
                let mut rest = rest.iter();
                text.chars().all(|c| rest.next() == Some(&c))
            });
            ledger.add("eval.misplaced_answers", u64::from(!is_there), Some(key));
        }
        found.insert(key.clone(), answers.into_iter().map(|(text, _)| text).collect());
    }
    columns.retain(|column| column.name != ANSWERS);
    Ok(found)
}

/// The texts and starts of answers in the form of SQuAD; `None` if the value has another form. In CSV it is JSON in a text.
fn texts(json: &str) -> Option<Vec<(String, Option<i64>)>> {
    let mut value: Value = serde_json::from_str(json).ok()?;
    if let Value::String(inner) = &value {
        value = serde_json::from_str(inner).ok()?;
    }
    let list = |name: &str| value.get(name).and_then(Value::as_array);
    let (texts, starts) = (list("text")?, list("answer_start")?);
    let text = |(text, start): (&Value, &Value)| Some((text.as_str()?.to_owned(), start.as_i64()));
    (texts.len() == starts.len()).then(|| texts.iter().zip(starts).map(text).collect())?
}
