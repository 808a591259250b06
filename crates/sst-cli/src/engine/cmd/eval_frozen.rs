//! `sst eval` with evaluators of frozen vectors: probe, knn, mdl and cka.

use std::sync::Arc;

use anyhow::Result;
use sst_cli::args::{ComparedTextArgs, LabelledRowArgs};
use sst_cli::exit::Usage;
use sst_cli::files;
use sst_core::{Modality, Model};
use sst_data::pictures::LABEL;
use sst_data::records::{Column, ColumnError, ColumnKind, Records, RecordsError};
use sst_data::rows::{Dataset, SelectedRows, balanced};
use sst_data::{Ledger, Processor, RowSpec};
use sst_eval::{ComparedTexts, Entry, Input, LabelledRows};
use sst_models::LoadHead;

use super::eval_records::max_length;
use super::labelled_parts::{Parts, parts};
use super::labelled_pictures;
use super::measure::{Measured, Setting, evaluate};
use super::pictures::refuse_for_texts;
use super::records::RecordFiles;
use super::{twin, unlabelled_pictures};
use crate::{model, settings};

/// The seed of the initial weights of the model that was never trained.
const TWIN_SEED: u64 = 0;

/// Measures a model on labelled texts or pictures.
///
/// # Errors
/// If an argument is wrong, model or data cannot be read, or there is nothing to measure.
pub(super) fn labelled(
    entry: &Entry,
    args: &LabelledRowArgs,
    given: Vec<Setting<'_>>,
) -> Result<Measured> {
    let found = model::find(&args.model)?;
    let device = settings::open_device(&args.device)?;
    let ledger = Ledger::new();
    let are_pictures = found.reads(Modality::Image);
    let files = match are_pictures {
        true => None,
        false => {
            refuse_for_texts(&found, &args.pictures, &[])?;
            Some(RecordFiles::new(&args.data, &args.records)?)
        }
    };
    if are_pictures {
        labelled_pictures::check(args, &found)?;
    }
    let (model, processor) = found.load(device, LoadHead::AsFound, &ledger)?;
    let (train, test, labels) = match &files {
        Some(files) => labelled_texts(args, files, &*model, &processor, &ledger)?,
        None => labelled_pictures::read(args, &found, &processor, &ledger)?,
    };
    if train.is_empty() || test.is_empty() {
        let message =
            "a part of the data is empty: give more records, or --test with files to measure on";
        return Err(Usage(message.to_owned()).into());
    }
    let (train, unlabelled) = match args.train_limit {
        Some(limit) => (limited(&train, limit, args.train_limit_seed, &ledger)?, Some(train)),
        None => (train, None),
    };
    let twin =
        if args.no_twin { None } else { Some(twin::build(&model.config(), device, TWIN_SEED)?) };
    let input = Input::LabelledRows(LabelledRows { train, test, labels, unlabelled, twin });
    let report = evaluate(entry, given, input, &*model, None, &args.model)?;
    Ok(Measured::new(report, ledger, args.json))
}

/// `limit` of the training rows, with as many of each label as possible.
fn limited(
    train: &Arc<dyn Dataset>,
    limit: u64,
    seed: u64,
    ledger: &Ledger,
) -> Result<Arc<dyn Dataset>> {
    let label = |row: u64| -> Result<i64> {
        let example = train.get(row, 0)?;
        Ok(example.int(LABEL).unwrap_or_default())
    };
    let labels = (0..train.len()).map(label).collect::<Result<Vec<i64>>>()?;
    let chosen = usize::try_from(limit).ok().and_then(|limit| balanced(&labels, limit, seed));
    let Some(chosen) = chosen else {
        let message =
            format!("--train-limit is {limit}, and there are {} training rows", train.len());
        return Err(Usage(message).into());
    };
    ledger.add("train.beyond_limit", train.len() - limit, None);
    Ok(Arc::new(SelectedRows::new(Arc::clone(train), chosen)?))
}

fn labelled_texts(
    args: &LabelledRowArgs,
    files: &RecordFiles,
    model: &dyn Model,
    processor: &Processor,
    ledger: &Ledger,
) -> Result<Parts> {
    let tokenizer = processor.tokenizer()?;
    let length = max_length(args.max_length, model.max_length()?)?;
    let spec = RowSpec::records(vec![
        Column::new("text", ColumnKind::Text),
        Column::new("label", ColumnKind::Label),
    ]);
    let cache = files::user_cache()?.join("prepared").join("records");
    let rows = |files: &RecordFiles, labels: &[String], subset| {
        files.subset(subset, &spec, labels, tokenizer, length, &cache, ledger)
    };
    let [learned, held_out] = parts(args);
    let train = rows(files, &[], learned)?;
    let labels = names_of(&train);
    let test = match args.test.is_empty() {
        true => rows(files, &labels, held_out)?,
        false => rows(&RecordFiles::new(&args.test, &args.records)?, &labels, held_out)
            .map_err(of_test)?,
    };
    Ok((Arc::new(train), Arc::new(test), labels))
}

/// A label that only test texts have cannot be learned, so it cannot be added to those that are known.
fn of_test(error: anyhow::Error) -> anyhow::Error {
    let unknown = error.downcast_ref::<RecordsError>().and_then(|error| match error {
        RecordsError::Column(ColumnError::UnknownLabel { key, label, .. }) => Some((key, label)),
        _ => None,
    });
    match unknown {
        Some((key, label)) => Usage(format!(
            "{key}: no training text has the label `{label}`, so it is never predicted: add texts that have it to \
             --data, or remove this one from --test"
        ))
        .into(),
        None => error,
    }
}

/// The labels of the records, in the order of their numbers.
fn names_of(rows: &Records) -> Vec<String> {
    rows.store().labels("label").map(|table| table.names.clone()).unwrap_or_default()
}

/// Compares the vectors of texts or pictures in two models, or in the layers of one.
///
/// # Errors
/// If an argument is wrong, a model or the data cannot be read, or there is nothing to measure.
pub(super) fn compared(
    entry: &Entry,
    args: &ComparedTextArgs,
    given: Vec<Setting<'_>>,
) -> Result<Measured> {
    let found = model::find(&args.model)?;
    if found.reads(Modality::Image) {
        return unlabelled_pictures::compared(entry, args, &found, given);
    }
    refuse_for_texts(&found, &args.pictures, &[])?;
    let files = RecordFiles::new(&args.data, &args.records)?;
    let device = settings::open_device(&args.device)?;
    let ledger = Ledger::new();
    let (model, processor) = found.load(device, LoadHead::AsFound, &ledger)?;
    let other = match &args.other {
        Some(path) => Some(model::find(path)?.load(device, LoadHead::AsFound, &ledger)?),
        None => None,
    };
    let mut limit = model.max_length()?;
    if let Some((other, _)) = &other {
        limit = limit.min(other.max_length()?);
    }
    let length = max_length(args.max_length, limit)?;
    let spec = RowSpec::records(vec![Column::new("text", ColumnKind::Text)]);
    let cache = files::user_cache()?.join("prepared").join("records");
    let rows = |tokenizer| -> Result<Arc<dyn Dataset>> {
        Ok(Arc::new(files.rows(&spec, &[], tokenizer, length, &cache, &ledger)?))
    };
    let own = rows(processor.tokenizer()?)?;
    let other = match other {
        Some((model, processor)) => Some((model, rows(processor.tokenizer()?)?)),
        None => None,
    };
    let input = Input::ComparedTexts(ComparedTexts { rows: own, other });
    let report = evaluate(entry, given, input, &*model, None, &args.model)?;
    Ok(Measured::new(report, ledger, args.json))
}
